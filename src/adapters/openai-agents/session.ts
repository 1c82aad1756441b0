/**
 * Sessions of the OpenAI Agents SDK: each is a scope that holds the items of a conversation.
 *
 * Invariants
 *  S1  Each change of a history is one mutation of its scope: it is stored whole or not at all, and
 *      changes of several runs and processes follow one another.
 *  S2  An operation of `applyHistoryTransaction` is stored with its change, so a repeat changes
 *      nothing. It is known until the session is cleared, for at least `OPERATIONS_MAX` later
 *      operations: when so many are new, those that were old then are forgotten.
 */
import { createHash, randomUUID } from "node:crypto";
import { types } from "node:util";
import type {
  AgentInputItem,
  SessionHistoryRewriteArgs,
  SessionHistoryRewriteAwareSession,
  SessionHistoryTransaction,
  SessionHistoryTransactionArgs,
  SessionHistoryTransactionAwareSession,
} from "@openai/agents-core";
import { refuseUnknown } from "../../../actors/scope/options.ts";
import { copyIn, isPlainObject } from "../../../actors/state/copy.ts";
import { mutableCopy } from "../../../actors/state/mutable-copy.ts";
import { defineKind, type Kind } from "../../runtime/kinds.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { Scope } from "../../runtime/scope.ts";
import { checkRuntime } from "../shared/check-runtime.ts";

/** How many later operations of `applyHistoryTransaction` a session remembers one for, at least. */
export const OPERATIONS_MAX = 1_000;

const TYPE = "openai-session";

/** The state of a session; a new one has no fields, also in a kind of the caller. */
interface SessionState {
  items?: unknown[];
  operations?: Operations;
}

/** The digests of transactions, under `#` and the id of their operation. */
interface Operations {
  recent: Digests;
  earlier: Digests;
  recentCount: number;
}

type Digests = Record<string, string>;

const KIND: Kind<SessionState> = defineKind({ initial: {} });

/** Options of a session. */
export interface HoldfastSessionOptions {
  /** Where the session is kept; no method of the session closes it. */
  readonly runtime: Runtime;
  /** The id of the session, and of its scope; default a new random one. */
  readonly sessionId?: string | undefined;
  /**
   * The kind of the scope. By default a kind of the adapter's own, added to the runtime; the name
   * of a declared one adds a time to live or a history. Its states are `{ items, operations }`.
   */
  readonly type?: string | undefined;
}

/** A history was not changed: its end is another one, or an operation id was used before. */
export class SessionHistoryError extends Error {
  override readonly name = "SessionHistoryError";
  readonly code = "SESSION_HISTORY";
}

/** A session of the OpenAI Agents SDK; see the head of this file. */
export class HoldfastSession
  implements SessionHistoryRewriteAwareSession, SessionHistoryTransactionAwareSession
{
  readonly #runtime: Runtime;
  readonly #id: string;
  readonly #type: string;

  /** Throws `TypeError` for an unknown option, and where there is no runtime. */
  constructor(options: HoldfastSessionOptions) {
    refuseUnknown("HoldfastSession", options, ["runtime", "sessionId", "type"]);
    const { runtime, sessionId = randomUUID(), type } = options;
    checkRuntime("HoldfastSession", runtime);
    this.#runtime = runtime;
    this.#id = sessionId;
    this.#type = type ?? TYPE;
    if (type === undefined) runtime.declare(TYPE, KIND);
  }

  getSessionId(): Promise<string> {
    return Promise.resolve(this.#id);
  }

  /** The items, oldest first, or the last `limit` of them: copies, as they are stored now. */
  async getItems(limit?: number): Promise<AgentInputItem[]> {
    if (limit !== undefined && !(limit > 0)) return [];
    const { items = [] } = await (await this.#open()).read();
    const wanted = limit === undefined ? items : items.slice(-Math.floor(limit));
    return mutableCopy(wanted) as AgentInputItem[]; // They were added as such.
  }

  /** Appends items; rejects with `StateSerializationError` for one that cannot be stored. */
  async addItems(items: AgentInputItem[]): Promise<void> {
    if (items.length > 0) await (await this.#open()).appendState("items", items);
  }

  /** Removes the last item and resolves to it: of two calls at once each receives another one. */
  async popItem(): Promise<AgentInputItem | undefined> {
    const scope = await this.#open();
    const last = await scope.transact(({ items }) => items?.pop());
    return mutableCopy(last) as AgentInputItem | undefined; // It was added as one.
  }

  /** Removes the items, and the operations that were remembered with them. */
  async clearSession(): Promise<void> {
    await (await this.#open()).delete();
  }

  /** Replaces all items at once. */
  async replaceHistoryWithCompaction(items: AgentInputItem[]): Promise<void> {
    await (await this.#open()).patchState({ items });
  }

  /** Puts a replacement in place of a tool call; later calls of that id are left out. */
  async applyHistoryMutations({ mutations }: SessionHistoryRewriteArgs): Promise<void> {
    const scope = await this.#open();
    await scope.update((draft) => {
      const { items = [] } = draft;
      for (const { callId, replacement } of mutations) {
        const isCall = (item: unknown): boolean => isCallOf(callId, item);
        const place = items.findIndex(isCall);
        if (place < 0) continue;
        items[place] = replacement;
        for (let at = items.length - 1; at > place; at -= 1)
          if (isCall(items[at])) items.splice(at, 1);
      }
    });
  }

  /**
   * Changes the history once for each `operationId`. Rejects with `SessionHistoryError`, and
   * changes nothing, when the id was used for another transaction, or when the history does not
   * end with `expectedSuffix`; with `TypeError` for a transaction that is none.
   */
  async applyHistoryTransaction(args: SessionHistoryTransactionArgs): Promise<void> {
    const { key, transaction } = checked(args);
    const digest = createHash("sha256").update(textOf(transaction)).digest("base64url");
    const scope = await this.#open();
    await scope.update((draft) => {
      const operations = (draft.operations ??= { recent: {}, earlier: {}, recentCount: 0 });
      const known = operations.recent[key] ?? operations.earlier[key];
      if (known === digest) return;
      if (known !== undefined)
        throw new SessionHistoryError("this operationId was used for another transaction");
      apply((draft.items ??= []), transaction);
      remember(operations, key, digest);
    });
  }

  #open(): Promise<Scope<SessionState>> {
    return this.#runtime.open<SessionState>(this.#type, this.#id);
  }
}

function isCallOf(callId: string, item: unknown): boolean {
  const { type, callId: id }: { type?: unknown; callId?: unknown } = Object(item);
  return type === "function_call" && id === callId;
}

/** The key of an operation and a copy of its transaction; throws for what is no transaction. */
function checked({ operationId, transaction }: SessionHistoryTransactionArgs): {
  readonly key: string;
  readonly transaction: SessionHistoryTransaction;
} {
  if (typeof operationId !== "string" || operationId.trim() === "")
    throw new TypeError("operationId must be a text that is not empty");
  const { type }: { type?: unknown } = Object(transaction);
  const lists = { append_items: ["items"], replace_suffix: ["expectedSuffix", "replacement"] };
  const names = type === "append_items" || type === "replace_suffix" ? lists[type] : undefined;
  if (names === undefined)
    throw new TypeError('a transaction must be of type "append_items" or "replace_suffix"');
  for (const name of names)
    if (!Array.isArray(Reflect.get(transaction, name)))
      throw new TypeError(`a transaction of type "${String(type)}" needs a list ${name}`);
  return { key: `#${operationId}`, transaction: copyIn(transaction, "transaction") };
}

/** Changes the items, or throws before it changes any. */
function apply(items: unknown[], transaction: SessionHistoryTransaction): void {
  if (transaction.type === "append_items") return void items.push(...transaction.items);
  const { expectedSuffix, replacement } = transaction;
  const start = items.length - expectedSuffix.length;
  if (start < 0 || textOf(items.slice(start)) !== textOf(expectedSuffix))
    throw new SessionHistoryError("the history does not end with the expected items");
  items.splice(start, expectedSuffix.length, ...replacement);
}

/** Adds an operation (S2). */
function remember(operations: Operations, key: string, digest: string): void {
  if (operations.recentCount === OPERATIONS_MAX) {
    operations.earlier = operations.recent;
    operations.recent = {};
    operations.recentCount = 0;
  }
  operations.recent[key] = digest;
  operations.recentCount += 1;
}

/** The same text for equal values, in any order of their fields; `undefined` is no field. */
function textOf(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) => {
    if (types.isUint8Array(part)) return { bytes: Buffer.from(part).toString("base64") };
    if (!isPlainObject(part)) return part;
    return Object.fromEntries(Object.entries(part).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  });
}
