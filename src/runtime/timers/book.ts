/**
 * The timers of a runtime's scopes at their stores: reads and writes ledgers and hints.
 *
 * Invariants
 *  B1  A timer has a hint that is not later than it: the hint is written before the timer, and
 *      removed after it. A hint without a timer is harmless, and removed when it is due.
 *  B2  A ledger changes by compare-and-set of its own record. Which process does it, and whether it
 *      has the scope to itself, does not matter: a change looks at the stamp of a row. One of
 *      unknown outcome is made again, so a change may find what it has stored before. It takes in
 *      no note that is not stored, and drops what is ahead of the scope after reading that again.
 *  B3  A ledger ends with the life of its scope, and never in a later one: then it has timers that
 *      were set, or notes that were made, above the version of the deletion.
 */
import { randomUUID } from "node:crypto";
import { CorruptStateError, isHoldfastError } from "../../../actors/errors.ts";
import type { Clock, Logger, ScopeIdentity } from "../../../actors/protocol.ts";
import { isError } from "../../../actors/realm.ts";
import { READ } from "../../../actors/scope/mutation.ts";
import { conflictError, ownRetries, retry, type SaveStep } from "../../../actors/scope/retry.ts";
import type { StateStore } from "../../stores/contract.ts";
import { memoryStore } from "../../stores/memory/store.ts";
import { createKeyQueue } from "../../stores/shared/key-queue.ts";
import type { Calls } from "../calls.ts";
import type { ResolvedKind } from "../kinds.ts";
import { BatchPerTick } from "../../stores/shared/batch-per-tick.ts";
import { type BatchingStore, batchingStore } from "../persistence/batching-store.ts";
import type { TimerCaller } from "../timer-types.ts";
import { nextTime } from "./cron.ts";
import {
  decodeLedger,
  encodeLedger,
  isAhead,
  type Ledger,
  type LedgerBase,
  type Row,
  type Timers,
  timersIn,
} from "./ledger.ts";
import type { TimerPlan } from "./plan.ts";
import { duePrefix, hintKey, ledgerKey } from "./timer-keys.ts";

/** Most timers of one scope. */
export const TIMERS_MAX = 1_000;
/** For a ledger that others change meanwhile. */
const EDIT_RETRIES = ownRetries({ maxRetries: 49, baseDelayMs: 5, maxDelayMs: 50 });
/** Milliseconds for which the tombstone of an empty ledger is kept. */
const TOMBSTONE_MS = 3_600_000;

/** What a book needs of its runtime. */
export interface BookPort {
  readonly namespace: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly calls: Calls;
  batched(kind: ResolvedKind): BatchingStore;
}

/** A scope whose timers are kept. */
export interface Timed {
  readonly kind: ResolvedKind;
  readonly identity: ScopeIdentity;
  readonly base: LedgerBase;
  /** The state of `base` is stored. */
  readonly isStored: boolean;
  /** Set when the store has a newer state: the next call reads it. */
  stale: boolean;
  /** Notes up to this number are known to be in the ledger. */
  applied: number;
}

/** A kind and an id, of a scope in memory or not. */
export type TimedId = Pick<Timed, "kind" | "identity">;

type Change<T> = (rows: Map<string, Row>) => T;

/** How a change of a ledger ended: `older`: the scope must be read or stored before. */
type Edited<T> = { readonly value: T } | "older" | "moved";

/**
 * Reads a scope that is stale, and stores its changes: a timer that was set before a deletion ends
 * with it, and notes count when they are stored.
 */
export async function bringUpToDate({ kind }: Timed, caller: TimerCaller): Promise<void> {
  await caller.mutate(READ);
  if (kind.durability === "checkpoint") await caller.flush();
}

/** A note that is not stored may get another number: then it would count as one of the ledger. */
function isEarly({ kind, isStored }: Timed): boolean {
  return kind.durability === "checkpoint" && !isStored;
}

/** See the head of this file. */
export class TimerBook {
  readonly port: BookPort;
  /** Called when a timer of a kind was set here. */
  readonly noticed: Set<(kind: ResolvedKind, due: number) => void> = new Set();
  readonly #queue = createKeyQueue();
  readonly #erasers = new WeakMap<BatchingStore, BatchPerTick<string, boolean>>();
  #memory: StateStore | undefined;

  constructor(port: BookPort) {
    this.port = port;
  }

  /** The store of a kind's timers: memory for a volatile kind. */
  batched(kind: ResolvedKind): BatchingStore {
    if (kind.durability !== "volatile") return this.port.batched(kind);
    this.#memory ??= memoryStore({ clock: this.port.clock });
    return batchingStore(this.#memory);
  }

  /** Releases the memory of volatile kinds. */
  async close(): Promise<void> {
    await this.#memory?.close();
  }

  /** The row of a new timer. Rejects with `TypeError` or `RangeError` for a bad cron expression. */
  async rowOf({ at, ...plan }: TimerPlan, since: number): Promise<Row> {
    const due = at ?? (await nextTime(plan, this.port.clock.now()));
    if (due === undefined)
      throw new RangeError(`cron ${JSON.stringify(plan.cron)} has no next time`);
    return Object.freeze({ ...plan, at: due, due, failures: 0, stamp: randomUUID(), since });
  }

  /** The timers of a scope, over the state that it has in memory. */
  async timers(scope: Timed): Promise<Timers> {
    return timersIn(await this.#load(scope), scope.base);
  }

  /**
   * Changes the timers of a scope; `change` may run several times, and resolves to its last result.
   * `refresh` reads the scope again if it is stale, and stores its changes.
   */
  async edit<T>(scope: Timed, change: Change<T>, refresh: () => Promise<unknown>): Promise<T> {
    const { clock } = this.port;
    let done: { readonly value: T } | undefined;
    const attempt = async (): Promise<SaveStep> => {
      let end = await this.#inOrder(scope, change, false);
      if (end === "older") {
        await refresh();
        end = await this.#inOrder(scope, change, true);
      }
      if (typeof end !== "object") return "conflict";
      done = end;
      return "saved";
    };
    await retry({ ...EDIT_RETRIES, clock, attempt });
    if (done !== undefined) return done.value;
    const versions = { expectedVersion: 0, actualVersion: 0 };
    throw conflictError(EDIT_RETRIES.cas, versions, scope.identity);
  }

  /** Moves the notes of a scope into its ledger, unless the scope is behind that. */
  async compact(scope: Timed): Promise<void> {
    await this.#inOrder(scope, () => undefined, false);
  }

  /** Writes the hints of timers, before the timers (B1). */
  async putHints({ kind, identity }: TimedId, rows: readonly Row[]): Promise<void> {
    const store = this.batched(kind);
    const made = this.port.clock.now();
    await Promise.all(
      rows.map((row) => {
        const key = this.#hintKey({ kind, identity }, row);
        const state = { name: row.name, made };
        const write = { key, expectedVersion: 0, version: 1, state };
        return store.commit(write, write);
      }),
    );
    for (const notice of this.noticed) for (const { due } of rows) notice(kind, due);
  }

  /** Removes the hints of timers that are gone; one that stays is removed when it is due. */
  dropHints(scope: TimedId, rows: readonly Row[]): Promise<void> {
    return this.eraseHints(
      scope.kind,
      rows.map((row) => this.#hintKey(scope, row)),
    );
  }

  /** The same by their keys. */
  async eraseHints(kind: ResolvedKind, keys: readonly string[]): Promise<void> {
    const erase = this.#eraser(this.batched(kind));
    await Promise.allSettled(keys.map((key) => erase.add(key)));
  }

  /**
   * The scope was deleted, at the version `deleted`: removes its timers. What is left here on a
   * failure does not count, nor does what is left of a ledger that a later life has changed (B3).
   */
  async forget(scope: TimedId, deleted: number): Promise<void> {
    try {
      const store = this.batched(scope.kind);
      const { rows, applied, version } = await this.#load(scope);
      if (version === 0 || applied > deleted || rows.some(({ since }) => since > deleted)) return;
      const key = this.#ledgerKey(scope);
      const result = await this.#store(store, key, { version, state: undefined });
      if (result) await this.dropHints(scope, rows);
    } catch {
      // Its timers are of an earlier life: they are removed when they are due.
    }
  }

  /** The keys of all records of the timers of a scope, to be erased. */
  async keysOf(scope: TimedId): Promise<string[]> {
    const ledger = this.#ledgerKey(scope);
    const { rows } = await this.#load(scope).catch(() => ({ rows: [] }));
    return [ledger, ...rows.map((row) => this.#hintKey(scope, row))];
  }

  #inOrder<T>(scope: Timed, change: Change<T>, isRefreshed: boolean): Promise<Edited<T>> {
    const edit = (): Promise<Edited<T>> => this.#tryEdit(scope, change, isRefreshed);
    return this.#queue.run([this.#ledgerKey(scope)], edit);
  }

  async #tryEdit<T>(scope: Timed, change: Change<T>, isRefreshed: boolean): Promise<Edited<T>> {
    const ledger = await this.#load(scope);
    const { base } = scope;
    // The state may be older than the ledger; a ledger that is ahead of a newer state is not.
    const isOlder = isAhead(ledger, base) && !isRefreshed;
    scope.stale ||= isOlder;
    const { rows, applied } = timersIn(ledger, base);
    if (isOlder || (applied > ledger.applied && isEarly(scope)))
      return isRefreshed ? "moved" : "older";
    const next = new Map(rows);
    const value = change(next);
    const { kind } = scope;
    const isSame =
      applied === ledger.applied &&
      next.size === ledger.rows.length &&
      ledger.rows.every((row) => next.get(row.key) === row);
    if (!isSame) {
      const timers = { rows: next, applied: kind.durability === "volatile" ? 0 : applied };
      const write = { version: ledger.version, state: encodeLedger(timers) };
      if (!(await this.#store(this.batched(kind), this.#ledgerKey(scope), write))) return "moved";
    }
    scope.applied = applied;
    return { value };
  }

  /** False when the record has another version, or may have. */
  async #store(
    store: BatchingStore,
    key: string,
    {
      version,
      state,
    }: { readonly version: number; readonly state: ReturnType<typeof encodeLedger> },
  ): Promise<boolean> {
    const tombstoneMs = state === undefined ? TOMBSTONE_MS : undefined;
    if (state === undefined && version === 0) return true;
    const write = { key, expectedVersion: version, version: version + 1, state, tombstoneMs };
    try {
      return (await store.commit(write, write)).ok;
    } catch (error) {
      if (isHoldfastError(error, "COMMIT_UNKNOWN")) return false;
      throw error;
    }
  }

  async #load(scope: TimedId): Promise<Ledger> {
    const key = this.#ledgerKey(scope);
    const record = await this.batched(scope.kind).load(key);
    try {
      return decodeLedger(record?.version ?? 0, record?.state);
    } catch (cause) {
      const reason = isError(cause) ? cause.message : "it is no ledger";
      throw new CorruptStateError({ location: key, reason }, { scope: scope.identity, cause });
    }
  }

  #ledgerKey({ kind, identity }: TimedId): string {
    return ledgerKey(this.port.namespace, kind.type, identity.id);
  }

  #hintKey({ kind, identity: { id } }: TimedId, { due, stamp }: Row): string {
    return hintKey(duePrefix(this.port.namespace, kind.type), { due, stamp, id });
  }

  #eraser(store: BatchingStore): BatchPerTick<string, boolean> {
    const known = this.#erasers.get(store);
    if (known !== undefined) return known;
    const made = new BatchPerTick<string, boolean>({
      run: async (keys) => {
        await store.erase(keys);
        return keys.map(() => true);
      },
      isOfOne: () => false,
      isImmediate: store.store.supports.immediate === true,
    });
    this.#erasers.set(store, made);
    return made;
  }
}
