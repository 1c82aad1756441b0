/**
 * The contract of a store. A store keeps one record per key and decides by version. It has no part
 * in scopes, mailboxes or schemas. Implementors: run the suite of `holdfast/testing` on your store.
 *
 * Contract
 *  T1  A write takes effect exactly when the stored version equals `expectedVersion` (absent = 0, a
 *      deleted key keeps the version of its tombstone). Otherwise the result is a conflict that
 *      carries the stored record. A conflict is never thrown.
 *  T2  `commit` resolves only after the write is as durable as the store promises
 *      (`supports.durable`).
 *  T3  Versions of a key never decrease, also through delete, expiry and re-create, as long as a
 *      late writer may exist: a deleted or expired record leaves a tombstone with its version for
 *      at least `tombstoneMs`. After that, and after `erase`, the key counts as never written
 *      (version 0). So a version that was not confirmed for `tombstoneMs` proves nothing: a record
 *      that is missing then may have been deleted, and one of a lower version created anew. Until
 *      then either is damage, unless the last record seen is the tombstone, or `watch` reported a
 *      newer version before the record was missing.
 *  T4  Each write of a batch stands alone, unless `atomic`: then all take effect or none.
 *  T5  A read returns plain data equal to what was written and shares nothing with it.
 *  T6  A throw from `commit` means nothing of the batch took effect, unless it is a
 *      `CommitUnknownError`.
 *  T7  A check compares with what is committed when it runs, never with an older copy.
 *  T8  `erase` removes all data of a key, and reports the version after the erased one to watchers.
 *      It leaves nothing to find later: after a broken connection `missed` may be all they get.
 *  T9  The history of a record (`supports.history`) is what its writes added, in the same commit as
 *      the state: never a row without its state, nor a state without its rows. A refused write adds
 *      none. A delete, the end of `ttlMs` and `erase` leave none; `history` then returns none.
 *      Which rows are kept depends on the last row and `keep` alone, so a row that was returned for
 *      a `keep` is returned until it falls out of that `keep`, or of that of a `pruneHistory`;
 *      removing rows never changes others.
 */
import type { ExclusiveLease, ExclusiveWait, Json, Patch } from "../../actors/protocol.ts";

/**
 * Milliseconds for which a tombstone is kept when no kind, runtime or store says otherwise: 7 days.
 */
export const TOMBSTONE_MS = 604_800_000;

/** What a store supports; the suite and the runtime read it. */
export interface StoreSupports {
  /** Data outlives the process. */
  readonly durable: boolean;
  /** `commit(…, { atomic: true })` works. */
  readonly transactions: boolean;
  /** `ttlMs` works. */
  readonly ttl: boolean;
  /** `watch` reports commits of other owners: processes, or store objects of this one. */
  readonly watch: boolean;
  /** `list` works. */
  readonly list: boolean;
  /** `exclusive` works across processes. */
  readonly exclusive: boolean;
  /**
   * `exclusive` passes a lease that can be renewed to its section, and waits as `ExclusiveWait`
   * says. Without it an exclusive section of a user lasts and waits for one lease. Default false.
   */
  readonly renewal?: boolean;
  /**
   * Other owners than one runtime may write: processes, or runtimes on this store object. Then a
   * call that writes nothing is verified at the store. Default true; false only for a store that
   * refuses a second owner.
   */
  readonly shared?: boolean;
  /**
   * `commit(…, { checks })` works. Without it versions are verified by `load`. Default false.
   */
  readonly checks?: boolean;
  /**
   * Tombstones end: `tombstoneMs` after a delete or an expiry the store removes the tombstone, soon
   * after it is next used. Default false: they stay.
   */
  readonly tombstonesEnd?: boolean;
  /**
   * `load` and `commit` do their work before they return their promise, and wait for no device and
   * no other process: a larger batch saves nothing. Then requests are gathered until the code that
   * runs has returned, else until the next turn of the event loop. Default false.
   */
  readonly immediate?: boolean;
  /** `list({ reverse: true })` works. Without it all keys are read instead. Default false. */
  readonly reverse?: boolean;
  /** Writes keep rows of `ScopeWrite.history`, and `history` reads them. Default false. */
  readonly history?: boolean;
}

/** One change of a record, as its history keeps it. */
export interface HistoryRow {
  /** The version that the change made. */
  readonly version: number;
  /**
   * When it was made, in milliseconds since the epoch. A store raises it to the time of the row
   * before, so that it never decreases with the version.
   */
  readonly at: number;
  /** The change; opaque to the store. */
  readonly entry: Json;
  /** The whole state after the change, in rows from which states are read. */
  readonly state?: Json | undefined;
}

/** Which rows of a history are kept: those within each limit that is set. */
export interface HistoryKeep {
  /** At most so many, the newest ones. */
  readonly versions?: number | undefined;
  /** Only those whose `at` is not before this time; milliseconds since the epoch. */
  readonly sinceMs?: number | undefined;
  /** As many of the newest as have so many bytes of JSON together. */
  readonly bytes?: number | undefined;
}

/** The part of a write that its history keeps. */
export interface HistoryWrite {
  /** Ascending versions over `expectedVersion`; the last one is the version of the write. */
  readonly add: readonly HistoryRow[];
  /**
   * The commit removes rows that are not kept, a bounded number of the oldest ones; those left are
   * not returned for this `keep`.
   */
  readonly keep: HistoryKeep;
  /** The record before this write was deleted or expired: its rows, if there are any, go first. */
  readonly fresh?: true | undefined;
}

/** Selects rows of a history. */
export interface HistoryQuery {
  /** Only versions below it. */
  readonly before?: number | undefined;
  /** Only versions above it. */
  readonly after?: number | undefined;
  /** At most so many; default no limit. */
  readonly limit?: number | undefined;
  /** Ascending versions; default false: the newest first. */
  readonly oldestFirst?: boolean | undefined;
  /** Only rows that it keeps, counted from the newest row of the record. */
  readonly keep?: HistoryKeep | undefined;
}

/** The record of a key. `state: undefined` is a tombstone: deleted or expired. */
export interface StoredRecord {
  readonly version: number;
  readonly state: Json | undefined;
  /** Milliseconds until it expires, when it was written with `ttlMs`. */
  readonly leftMs?: number | undefined;
}

/** One write. Objects are read lazily: a store that appends `patches` never touches `state`. */
export interface ScopeWrite {
  readonly key: string;
  /** The version the stored record must have; 0 = must not exist. */
  readonly expectedVersion: number;
  /** The version after the write; greater than `expectedVersion`. */
  readonly version: number;
  /** The whole new state; `undefined` deletes and leaves a tombstone of `version`. */
  readonly state: Json | undefined;
  /** The change from `expectedVersion` to `version`, with values as JSON; absent: use `state`. */
  readonly patches?: readonly Patch[] | undefined;
  /** Milliseconds until the record expires, counted from this write; absent: never. */
  readonly ttlMs?: number | undefined;
  /**
   * Milliseconds for which the tombstone is kept, counted from a delete or from the end of `ttlMs`;
   * `Infinity` = forever. Absent: the store's `tombstoneMs`.
   */
  readonly tombstoneMs?: number | undefined;
  /** Rows of its history, stored with it, when `supports.history`; a delete has none. */
  readonly history?: HistoryWrite | undefined;
}

/** Checks that a record still has a version; changes nothing. */
export interface VersionCheck {
  readonly key: string;
  /** 0 = must not exist; a deleted record has the version of its tombstone. */
  readonly expectedVersion: number;
}

/** How a batch is committed. */
export interface CommitOptions {
  /** All writes take effect or none; a check that fails also prevents all of them. */
  readonly atomic?: boolean;
  /**
   * Versions to verify in the same request, when `supports.checks`. Their results follow those of
   * the writes, in order: `ok` exactly when the version is `expectedVersion`, else the stored
   * record. A check and a write of one key see the record as it was before the batch.
   */
  readonly checks?: readonly VersionCheck[];
}

/** Result of one write, or of one check. */
export type WriteResult =
  | { readonly ok: true; readonly version: number }
  | { readonly ok: false; readonly current: StoredRecord | undefined };

/** Selects the keys of `list`, in ascending order of their UTF-16 code units. */
export interface ListQuery {
  /** Only keys that start with this text; no character is special. */
  readonly prefix?: string;
  /** Only keys after this one in the order of the list: greater, or less with `reverse`. */
  readonly after?: string;
  /** At most so many; default no limit. */
  readonly limit?: number;
  /** Descending order; only where `supports.reverse`. Default false. */
  readonly reverse?: boolean;
}

/** A store of records; see the contract above. */
export interface StateStore {
  readonly name: string;
  readonly supports: StoreSupports;
  /** Milliseconds for which tombstones are kept when a write sets none; default 7 days. */
  readonly tombstoneMs?: number;
  /** Reads many keys; the result has the same order. A tombstone is a record without state. */
  load(keys: readonly string[]): Promise<(StoredRecord | undefined)[]>;
  /** Writes many records, each its own compare-and-set unless `atomic`. */
  commit(writes: readonly ScopeWrite[], options?: CommitOptions): Promise<WriteResult[]>;
  /** Keys of records that are no tombstones. */
  list(query?: ListQuery): AsyncIterable<string>;
  /**
   * Calls `changed` soon after another owner committed `version` of `key`, and `missed` when such
   * calls may have been lost, as after a broken connection: the caller must then load what it needs
   * to know. A version may be skipped when a newer one is reported; one that was committed before
   * the watch began may be reported late. Resolves when it is watching, to a function that stops
   * it; rejects with `StoreUnavailableError` when it cannot begin.
   */
  watch?(
    changed: (key: string, version: number) => void,
    missed?: () => void,
  ): Promise<() => Promise<void>>;
  /**
   * Runs the exclusive `section` while no other owner can commit `key`. Waits at most `ttlMs`
   * to acquire the key. A section that runs longer than `ttlMs` loses the key: a commit of such a
   * stale owner is a conflict. Commits of `key` through this store object inside `section` pass.
   *
   * With `supports.renewal` the section receives a lease that it may renew, and `wait` says how
   * long to wait. A lost lease stays lost: `renew` does not acquire the key again.
   */
  exclusive?<T>(
    key: string,
    ttlMs: number,
    section: (lease?: ExclusiveLease) => Promise<T>,
    wait?: ExclusiveWait,
  ): Promise<T>;
  /**
   * Removes everything stored under each key: the record, readable or not, its patches, its
   * tombstone, its index entries. Resolves to whether there was something, in the order of the
   * keys. Watchers of other owners get the version after the erased one, or `missed`. An exclusive
   * section does not delay it.
   */
  erase?(keys: readonly string[]): Promise<boolean[]>;
  /** The history of a living record; needed when `supports.history`. */
  history?(key: string, query?: HistoryQuery): Promise<HistoryRow[]>;
  /**
   * Removes all rows of a history that `keep` does not keep, however many. Resolves to how
   * many there were. The record and its version stay as they are.
   */
  pruneHistory?(key: string, keep: HistoryKeep): Promise<number>;
  /** Waits for running work and releases all resources. Later calls reject with `STORE_CLOSED`. */
  close(): Promise<void>;
}
