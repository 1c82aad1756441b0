/**
 * `holdfast timers`: the pending timers of a store, found by their hints, which are in the order of
 * their times. What a hint leads to is read from the ledger and the record of its scope.
 */
import { isError } from "../../actors/realm.ts";
import { extrasOf } from "../../actors/state/extras.ts";
import { toJson } from "../patches/to-json.ts";
import { decodeRecord } from "../runtime/persistence/record-envelope.ts";
import { decodeKey, encodeKey, keyPrefix } from "../runtime/scope-key.ts";
import { decodeLedger, inOrder, type Row, timersIn } from "../runtime/timers/ledger.ts";
import { DUE, duePrefix, hintOf, ledgerKey } from "../runtime/timers/timer-keys.ts";
import type { StateStore, StoredRecord } from "../stores/contract.ts";
import type { Task } from "./options.ts";
import { first, type Printer, printList, scopeWord, wordOf } from "./printer.ts";

/** Hints that are looked up together. */
const BATCH = 100;

/** The scope of a timer. */
interface Owner {
  readonly type: string;
  readonly id: string;
}

/** A timer of a scope. */
interface Pending extends Owner {
  readonly row: Row;
}

/** Prints the pending timers of a namespace, a type or a scope; false when some cannot be read. */
export async function listTimers(
  store: StateStore,
  task: Task,
  printer: Printer,
): Promise<boolean> {
  const search = new Search(store, task, printer);
  await printList(task, printer, first(task.limit, search.pending()), {
    document: ({ type, id, row }) => ({ type, id, ...documentOf(row) }),
    line: ({ type, id, row: { key, name, due, cron } }) =>
      [
        timeText(due),
        scopeWord(type, id),
        wordOf(name),
        wordOf(key),
        ...(cron === undefined ? [] : [wordOf(cron)]),
      ].join("  "),
  });
  return search.isWhole;
}

function documentOf({ key, name, payload, at, due, failures, cron, timeZone }: Row): object {
  const times = { at: timeText(at), due: timeText(due) };
  return { key, name, ...times, failures, cron, timeZone, payload: toJson(payload) };
}

function timeText(ms: number): string {
  return new Date(ms).toISOString();
}

/** Looks for the timers that a task names. */
class Search {
  readonly #store: StateStore;
  readonly #task: Task;
  readonly #printer: Printer;
  readonly #unread = new Set<string>();
  /** False when a scope that was named is not there, or when timers cannot be read. */
  isWhole = true;

  constructor(store: StateStore, task: Task, printer: Printer) {
    this.#store = store;
    this.#task = task;
    this.#printer = printer;
  }

  pending(): AsyncIterable<Pending> {
    const [, type, id] = this.#task.operands;
    return type === undefined || id === undefined
      ? this.#hinted(type)
      : this.#ofScope({ type, id });
  }

  /** The timers of a scope, in the order of their times. */
  async *#ofScope(owner: Owner): AsyncGenerator<Pending> {
    const [found] = await this.#read([owner]);
    if (found === undefined) return;
    for (const row of inOrder(found.rows.values())) yield { ...owner, row };
    if (found.rows.size > 0 || found.exists) return;
    this.isWhole = false;
    this.#printer.warn(`there is no scope ${scopeWord(owner.type, owner.id)}, and no timer of it`);
  }

  /** The timers to which hints lead, type by type. */
  async *#hinted(type: string | undefined): AsyncGenerator<Pending> {
    const { namespace } = this.#task;
    let batch: (Owner & { readonly stamp: string })[] = [];
    for await (const key of this.#store.list({ prefix: DUE + keyPrefix(namespace, type) })) {
      const parts = decodeKey(key.slice(DUE.length));
      const hint = parts && hintOf(duePrefix(namespace, parts.type), key);
      if (parts === undefined || hint === undefined) continue;
      batch.push({ type: parts.type, id: hint.id, stamp: hint.stamp });
      if (batch.length < BATCH) continue;
      yield* this.#found(batch);
      batch = [];
    }
    yield* this.#found(batch);
  }

  /** A hint without a timer is passed over: the timer is over, or was never stored. */
  async *#found(hints: readonly (Owner & { readonly stamp: string })[]): AsyncGenerator<Pending> {
    const owners = new Map(hints.map(({ type, id }) => [scopeWord(type, id), { type, id }]));
    const read = await this.#read([...owners.values()]);
    const rows = new Map(
      read.flatMap((found) => [...(found?.rows.values() ?? [])].map((row) => [row.stamp, row])),
    );
    for (const { type, id, stamp } of hints) {
      const row = rows.get(stamp);
      if (row !== undefined) yield { type, id, row };
    }
  }

  /** The timers of scopes; `undefined` for those that cannot be read. */
  async #read(owners: readonly Owner[]): Promise<(Found | undefined)[]> {
    const { namespace } = this.#task;
    const keys = owners.flatMap(({ type, id }) => [
      ledgerKey(namespace, type, id),
      encodeKey(namespace, type, id),
    ]);
    const records = keys.length === 0 ? [] : await this.#store.load(keys);
    return owners.map((owner, at) => {
      try {
        return foundIn(records[2 * at], records[2 * at + 1]);
      } catch (error) {
        this.#report(owner, error);
        return undefined;
      }
    });
  }

  #report({ type, id }: Owner, error: unknown): void {
    this.isWhole = false;
    const word = scopeWord(type, id);
    if (this.#unread.has(word)) return;
    this.#unread.add(word);
    const reason = isError(error) ? error.message : String(error);
    this.#printer.warn(`the timers of ${word} cannot be read: ${reason}`);
  }
}

/** What is stored of the timers of a scope. */
interface Found {
  readonly rows: ReadonlyMap<string, Row>;
  /** Whether the scope has a record. */
  readonly exists: boolean;
}

/** Reads a ledger and the record of its scope; throws an `Error` when one is damaged. */
function foundIn(ledger: StoredRecord | undefined, record: StoredRecord | undefined): Found {
  const { version = 0, state } = record ?? {};
  const exists = state !== undefined;
  const notes = exists ? extrasOf(decodeRecord(state).state)?.timers : undefined;
  const stored = decodeLedger(ledger?.version ?? 0, ledger?.state);
  return { rows: timersIn(stored, { version, exists, notes }).rows, exists };
}
