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
import { CorruptStateError, isHoldfastError } from "../../../actors/errors.ts";
import type { Clock, Json, Logger, ScopeIdentity } from "../../../actors/protocol.ts";
import { isError } from "../../../actors/realm.ts";
import { READ } from "../../../actors/scope/mutation.ts";
import {
  conflictError,
  isRefused,
  ownRetries,
  retry,
  type SaveStep,
} from "../../../actors/scope/retry.ts";
import type { StateStore } from "../../stores/contract.ts";
import { memoryStore } from "../../stores/memory/store.ts";
import { createKeyQueue } from "../../stores/shared/key-queue.ts";
import type { Calls } from "../calls.ts";
import type { ResolvedKind } from "../kinds.ts";
import { type BatchingStore, batchingStore } from "../persistence/batching-store.ts";
import type { TimerCaller } from "../timer-types.ts";
import {
  decodeLedger,
  encodeLedger,
  isAhead,
  isStoredIn,
  type Ledger,
  type LedgerBase,
  type Row,
  type Timers,
  timersIn,
} from "./ledger.ts";
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
  /** The version of the ledger that `timers` read; -1: not read, or a write was sent since. */
  ledgerVersion: number;
}

/** A kind and an id, of a scope in memory or not. */
export type TimedId = Pick<Timed, "kind" | "identity">;

type Change = (rows: Map<string, Row>) => void;

/** How a change of a ledger ended: `older`: the scope must be read or stored before. */
type Edited = SaveStep | "older";

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

  /** The timers of a scope, over the state that it has in memory. */
  async timers(scope: Timed): Promise<Timers> {
    const ledger = await this.#load(scope);
    scope.ledgerVersion = ledger.version;
    return timersIn(ledger, scope.base);
  }

  /**
   * Changes the timers of a scope; `change` may run several times, and resolves to its last result.
   * `refresh` reads the scope again if it is stale, and stores its changes. `known`: the ledger as
   * it was read; it is read again if it has changed.
   */
  async edit<T>(
    scope: Timed,
    change: (rows: Map<string, Row>) => T,
    refresh: () => Promise<unknown>,
    known?: Ledger,
  ): Promise<T> {
    const { clock } = this.port;
    let last: { readonly value: T } | undefined;
    const keep: Change = (rows) => {
      last = { value: change(rows) };
    };
    const attempt = async (): Promise<SaveStep> => {
      let end = await this.#tryEdit(scope, keep, false, known);
      if (end !== "older") return end;
      await refresh();
      end = await this.#tryEdit(scope, keep, true);
      return end === "older" ? "conflict" : end;
    };
    const end = await retry({ ...EDIT_RETRIES, clock, attempt });
    if (last !== undefined && !isRefused(end)) return last.value;
    throw conflictOf(scope);
  }

  /**
   * Removes the timers of a scope without a record. `isGone` reads the scope again, after the
   * ledger: a timer that is set from then on changes the ledger, so the removal is refused.
   */
  async clear(scope: Timed, isGone: () => Promise<boolean>): Promise<void> {
    const { clock } = this.port;
    const attempt = (): Promise<SaveStep> =>
      this.#queue.run([this.#ledgerKey(scope)], async () => {
        const { rows, version } = await this.#load(scope);
        if (rows.length === 0 || !(await isGone())) return "empty";
        scope.ledgerVersion = -1;
        if (!(await this.#store(scope, version, undefined))) return "conflict";
        void this.dropHints(scope, rows);
        return "saved";
      });
    if (isRefused(await retry({ ...EDIT_RETRIES, clock, attempt }))) throw conflictOf(scope);
  }

  /** Moves the notes of a scope into its ledger, unless the scope is behind that. */
  async compact(scope: Timed): Promise<void> {
    await this.#tryEdit(scope, () => undefined, false);
  }

  /** Writes the hints of timers, before the timers (B1). */
  async putHints(scope: TimedId, rows: readonly Row[]): Promise<void> {
    const store = this.batched(scope.kind);
    const made = this.port.clock.now();
    const writes = rows.map((row) => {
      const key = this.#hintKey(scope, row);
      return { key, expectedVersion: 0, version: 1, state: { name: row.name, made } };
    });
    await Promise.all(writes.map((write) => store.commit(write, write)));
    for (const notice of this.noticed) for (const { due } of rows) notice(scope.kind, due);
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
    const { erases } = this.batched(kind);
    await Promise.allSettled(keys.map((key) => erases.add(key)));
  }

  /**
   * The scope was deleted, at the version `deleted`: removes its timers. What is left here on a
   * failure does not count, nor does what is left of a ledger that a later life has changed (B3).
   */
  async forget(scope: TimedId, deleted: number): Promise<void> {
    try {
      const { rows, applied, version } = await this.#load(scope);
      if (version === 0 || applied > deleted || rows.some(({ since }) => since > deleted)) return;
      if (await this.#store(scope, version, undefined)) await this.dropHints(scope, rows);
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

  #tryEdit(scope: Timed, change: Change, isRefreshed: boolean, known?: Ledger): Promise<Edited> {
    return this.#queue.run([this.#ledgerKey(scope)], async () => {
      const ledger = known?.version === scope.ledgerVersion ? known : await this.#load(scope);
      const { base } = scope;
      // The state may be older than the ledger; a ledger that is ahead of a newer state is not.
      const isOlder = isAhead(ledger, base) && !isRefreshed;
      scope.stale ||= isOlder;
      const { rows, applied } = timersIn(ledger, base);
      if (isOlder || (applied > ledger.applied && isEarly(scope))) return "older";
      const next = new Map(rows);
      change(next);
      if (!isStoredIn(ledger, { rows: next, applied })) {
        const isVolatile = scope.kind.durability === "volatile";
        const state = encodeLedger({ rows: next, applied: isVolatile ? 0 : applied });
        scope.ledgerVersion = -1;
        if (!(await this.#store(scope, ledger.version, state))) return "conflict";
      }
      scope.applied = applied;
      return "saved";
    });
  }

  /** False when the record has another version, or may have. */
  async #store(scope: TimedId, expected: number, state: Json | undefined): Promise<boolean> {
    const tombstoneMs = state === undefined ? TOMBSTONE_MS : undefined;
    if (state === undefined && expected === 0) return true;
    const version = expected + 1;
    const key = this.#ledgerKey(scope);
    const write = { key, expectedVersion: expected, version, state, tombstoneMs };
    try {
      return (await this.batched(scope.kind).commit(write, write)).ok;
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
}

function conflictOf({ identity }: TimedId): Error {
  return conflictError(EDIT_RETRIES.cas, { expectedVersion: 0, actualVersion: 0 }, identity);
}
