/**
 * The words of the kernel: who a scope is, what a change looks like, and the ports through which
 * the kernel asks for what it does not own (a place to save, a clock, a logger, randomness).
 *
 * Types only. Everything here is data that crosses a boundary; nothing here runs.
 */

/** Any value JSON can hold. */
export type Json = string | number | boolean | null | readonly Json[] | JsonObject;
/** A JSON object. */
export interface JsonObject {
  readonly [key: string]: Json;
}

/** Who a scope is. Two scopes with the same `type` and `id` in one namespace are one actor. */
export interface ScopeIdentity {
  readonly type: string;
  readonly id: string;
  readonly userId?: string;
  readonly orgId?: string;
}

/** One immer-format patch; `path` is the list of keys from the root of the state. */
export interface Patch {
  readonly op: "add" | "replace" | "remove";
  readonly path: readonly (string | number)[];
  readonly value?: unknown;
}

/** What kind of change a `StateChange` reports. */
export type OperationName =
  | "patch"
  | "set"
  | "increment"
  | "push"
  | "delete_key"
  | "atomic"
  | "update"
  | "delete"
  | "refresh";

/** The changed part of a state, as its operation reports it (a record of fields, a value). */
type Delta<S> = S extends never ? never : unknown;

/** One committed change of one scope. Versions of local changes follow each other without a gap. */
export interface StateChange<S = unknown> {
  readonly type: "state_change";
  readonly scope: ScopeIdentity;
  readonly version: number;
  readonly operation: OperationName;
  readonly path?: string;
  readonly delta?: Delta<S>;
  readonly patches: readonly Patch[];
  readonly inversePatches: readonly Patch[];
  readonly origin: "local" | "remote";
  /** Milliseconds since the epoch, by the scope's clock. */
  readonly timestamp: number;
  readonly meta?: JsonObject;
  /**
   * Changes of other processes before this one may have gone unheard, because the way to the store
   * was cut. `changes()` gives a snapshot marker of this state in its place.
   */
  readonly gap?: true;
}

/** Stands in a change stream for the versions a reader can no longer have one by one. */
export interface SnapshotMarker<S = unknown> {
  readonly type: "snapshot";
  readonly scope: ScopeIdentity;
  readonly version: number;
  readonly state: Readonly<S>;
}

/** What `changes()` of a scope yields. */
export type FeedItem<S = unknown> = StateChange<S> | SnapshotMarker<S>;

/**
 * Stands in the change stream of a runtime for all changes that a slow reader missed, of any
 * scope. What was buffered came before it; every change after it follows it.
 */
export interface ResyncMarker {
  readonly type: "resync";
}

/** What `changes()` of a runtime yields. */
export type RuntimeFeedItem = FeedItem | ResyncMarker;

/** Options of one mutation. */
export interface MutationOptions {
  /** Aborting rejects the call with `signal.reason`, unless its save is already in flight. */
  readonly signal?: AbortSignal | undefined;
  /** Overrides the scope's `mutationTimeoutMs` for this call; milliseconds from submission. */
  readonly timeoutMs?: number | undefined;
  /** Copied into the change's event. */
  readonly meta?: JsonObject | undefined;
}

/** What a mutator, or a recipe, receives about the run it is in. */
export interface MutationContext {
  /** Aborts when the turn lost its right to commit: timeout, the caller's abort, stop. */
  readonly signal: AbortSignal;
  /** 1 for the first run, 2 and up when a conflict made the mutator run again. */
  readonly attempt: number;
}

/** The name of `MutationContext` in the first release. */
export type MutatorTurn = MutationContext;

/** A state with the version it was stored under. */
export interface Stored<S> {
  readonly state: S;
  readonly version: number;
}

/** A record that was deleted; its version lives on, so that versions never go back. */
export interface Tombstone {
  readonly state: undefined;
  readonly version: number;
}

/** A conflict is data, not a throw. `current: undefined` means the record is gone. */
export type SaveResult<S> =
  | { readonly ok: true; readonly version: number }
  | { readonly ok: false; readonly current: Stored<S> | undefined; readonly version?: number };

/** What one save carries besides the state. */
export interface CommitInfo {
  /** The version the store must answer with. */
  readonly version: number;
  /** All changes of the round in order, immer format. */
  readonly patches: readonly Patch[];
  /** The operations folded into this save, in order. */
  readonly operations: readonly OperationName[];
}

/** The port through which a durable scope reaches its store. */
export interface PersistBridge<S> {
  /** Reads the stored state; `undefined` means there never was one, or only version 0 is known. */
  load?(): Promise<Stored<S> | Tombstone | undefined>;
  /** Writes `next` if the stored version is `expectedVersion`, else answers with what is there. */
  save(next: Readonly<S>, expectedVersion: number, commit: CommitInfo): Promise<SaveResult<S>>;
  /** Removes the record under the same check; answers `ok` with `expectedVersion + 1`. */
  delete?(expectedVersion: number): Promise<SaveResult<S>>;
  /**
   * Answers `ok` when the stored version is still `expectedVersion`, else what is there; changes
   * nothing. Without it a verification asks `load`.
   */
  verify?(expectedVersion: number): Promise<SaveResult<S>>;
  /** Runs `turn` while no other owner of the store can commit this record. */
  exclusive?<T>(turn: () => Promise<T>): Promise<T>;
}

/** How often and how patiently a conflicting save is repeated. */
export interface CasOptions {
  /** Default 3, so four attempts; negative counts as 0. */
  readonly maxRetries?: number | undefined;
  /** Wait before retry n is `baseDelayMs × 2^(n-1)`; default 10. */
  readonly baseDelayMs?: number | undefined;
  /** Upper bound of one wait; default none. */
  readonly maxDelayMs?: number | undefined;
  /** `full` draws each wait from [0, wait); default `none`. */
  readonly jitter?: "none" | "full" | undefined;
  /** After the last retry ask the store for a short exclusive turn instead of giving up. */
  readonly escalate?: boolean | undefined;
}

/** Time, injectable. `now` is milliseconds since the epoch. */
export interface Clock {
  now(): number;
  /**
   * Milliseconds from some start that never go back and cannot be set: limits of waiting and
   * running are measured by it. Default `now`.
   */
  monotonic?(): number;
  setTimeout(callback: () => void, delayMs: number): unknown;
  clearTimeout(handle: unknown): void;
}

/** Where the kernel reports what it cannot throw. Fields carry keys and sizes, never values. */
export interface Logger {
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

/** Given to `onStateSizeWarning`. */
export interface StateSizeWarning {
  readonly scope: ScopeIdentity;
  readonly sizeBytes: number;
  readonly maxStateSizeBytes: number;
}
