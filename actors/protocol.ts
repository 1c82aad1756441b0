/**
 * The types of the kernel: the identity of a scope, the form of a change, and the ports to what the
 * kernel does not own (a store, a clock, a logger, randomness).
 *
 * Types only. Everything here is data that crosses a boundary; nothing here runs.
 */
import type { DeepReadonly } from "./state-types.ts";
import type { Schedule } from "./timing.ts";

/** Any value JSON can hold. */
export type Json = string | number | boolean | null | readonly Json[] | JsonObject;
/** A JSON object. */
export interface JsonObject {
  readonly [key: string]: Json;
}

/** Identifies a scope. In one namespace, the same `type` and `id` mean the same actor. */
export interface ScopeIdentity<Name extends string = string> {
  readonly type: Name;
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

/** The kind of operation that a `StateChange` reports. */
export type OperationName =
  | "patch"
  | "set"
  | "increment"
  | "push"
  | "delete_key"
  | "atomic"
  | "update"
  | "delete"
  | "refresh"
  | "migrate"
  | "rewind"
  | "undo"
  | "redo";

/** The changed part of a state, as the operation reports it (a record of fields, a value). */
type Delta<S> = S extends never ? unknown : unknown;

/** One committed change of one scope. Versions of local changes follow each other without a gap. */
export interface StateChange<S = unknown, Name extends string = string> {
  readonly type: "state_change";
  readonly scope: ScopeIdentity<Name>;
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
   * Changes of other processes before this one may have been missed, because the connection to the
   * store was cut. `changes()` yields a snapshot marker of this state in place of the change.
   */
  readonly gap?: true;
}

/** Replaces, in a change stream, the versions that can no longer be delivered one by one. */
export interface SnapshotMarker<S = unknown, Name extends string = string> {
  readonly type: "snapshot";
  readonly scope: ScopeIdentity<Name>;
  readonly version: number;
  readonly state: DeepReadonly<S>;
}

/** What `changes()` of a scope yields. */
export type FeedItem<S = unknown, Name extends string = string> =
  | StateChange<S, Name>
  | SnapshotMarker<S, Name>;

/**
 * Replaces, in the change stream of a runtime, all changes that a slow reader missed, of any scope.
 * Buffered changes come before the marker, later changes after it.
 */
export interface ResyncMarker {
  readonly type: "resync";
}

/** What `changes()` of a runtime yields. */
export type RuntimeFeedItem<S = unknown, Name extends string = string> =
  | FeedItem<S, Name>
  | ResyncMarker;

/** What a scope does at the moment of the read; a frozen snapshot. */
export interface ScopeStats {
  /** Calls in the mailbox: they have not begun. */
  readonly waiting: number;
  /** A call runs: a mutator, or work that has the scope to itself. */
  readonly running: boolean;
  /** A save is under way, with its retries; of a checkpoint scope, one in the background. */
  readonly saving: boolean;
  /** The confirmed version. */
  readonly version: number;
  /** Since when the scope is in memory; milliseconds since the epoch, by the scope's clock. */
  readonly residentSince: number;
}

/** Removes a listener: call it, or declare it with `using`. Further calls do nothing. */
export interface Unsubscribe extends Disposable {
  (): void;
}

/** Options of one mutation. */
export interface MutationOptions {
  /** Aborting rejects the call with `signal.reason`, unless its save is already in flight. */
  readonly signal?: AbortSignal | undefined;
  /** Overrides the scope's `mutationTimeoutMs` for this call; milliseconds from submission. */
  readonly timeoutMs?: number | undefined;
  /** Copied into the change's event. */
  readonly meta?: JsonObject | undefined;
  /**
   * A key of 1 to 128 characters, under which the mutation takes effect at most once in its scope:
   * in all processes and after restarts, as far as the scope's store keeps its state. A repeat
   * resolves to the first answer. The last `onceKept` keys of a scope are kept, until the scope is
   * deleted or expires. A mutation that threw or changed nothing may be tried again; a result of
   * `transact` other than `undefined` is recorded also without a change, and must be storable.
   */
  readonly once?: string | undefined;
}

/** What a mutator or a recipe receives about its run. */
export interface MutationContext {
  /** Aborts when the run lost its right to commit: timeout, the caller's abort, stop. */
  readonly signal: AbortSignal;
  /** 1 for the first run, 2 and up when the mutator runs again after a conflict. */
  readonly attempt: number;
  /** Sets a timer of the scope, if its kind has timers, together with the change. */
  readonly schedule: Schedule;
}

/** The name of `MutationContext` in the first release. */
export type MutatorTurn = MutationContext;

/** A state with the version it was stored under. */
export interface Stored<S> {
  readonly state: S;
  readonly version: number;
}

/** A deleted record; its version is kept, so that versions never decrease. */
export type Tombstone = Stored<undefined>;

/** A conflict is a result, not an error. `current: undefined` means the record was deleted. */
export type SaveResult<S> =
  | { readonly ok: true; readonly version: number }
  | { readonly ok: false; readonly current: Stored<S> | undefined; readonly version?: number };

/** What one save carries besides the state. */
export interface CommitInfo {
  /** The version that the store must return. */
  readonly version: number;
  /** All changes of the commit batch in order, immer format. */
  readonly patches: readonly Patch[];
  /** The operations of this save, in order. */
  readonly operations: readonly OperationName[];
  /** The changes one by one, oldest first, for a scope that keeps a history. */
  readonly changes?: readonly CommittedChange[] | undefined;
  /** There was no record before: it is new, or was deleted. */
  readonly created?: boolean | undefined;
}

/** One change, as a history keeps it. */
export interface CommittedChange extends Pick<
  StateChange,
  "version" | "operation" | "patches" | "inversePatches" | "timestamp"
> {
  /** The version before it. */
  readonly since: number;
  readonly meta?: JsonObject | undefined;
  /** What its mutation adds to the history. */
  readonly historyNote?: JsonObject | undefined;
}

/** The lease of a record while an exclusive section keeps it. */
export interface ExclusiveLease {
  /** The lease ends so many milliseconds after it was acquired or last renewed. */
  readonly ttlMs: number;
  /**
   * Extends the lease to `ttlMs` from now; resolves to false when it is lost, also if no other
   * owner has acquired the record since. Rejects when that is not known.
   */
  renew(): Promise<boolean>;
}

/** How to wait for an exclusive section of a record. */
export interface ExclusiveWait {
  /** Longest wait in milliseconds, `Infinity` = no limit; default the time of a lease. */
  readonly waitMs?: number | undefined;
  /** Aborting ends the wait, which rejects with `signal.reason`; a running section continues. */
  readonly signal?: AbortSignal | undefined;
}

/** How a bridge keeps a record. */
export interface BridgeExclusiveOptions extends ExclusiveWait {
  /** The work is an exclusive section of a user, which renews its lease; default a short lease. */
  readonly section?: boolean;
}

/**
 * The port through which a durable scope reaches its store. Each promise must settle: a scope waits
 * for one as long as its calls do, so with `timeoutMs: Infinity` for ever.
 */
export interface PersistBridge<S> {
  /** Reads the stored state; `undefined`: there never was one, or only version 0 is known. */
  load?(): Promise<Stored<S> | Tombstone | undefined>;
  /** Writes `next` if the stored version is `expectedVersion`, else returns the stored record. */
  save(next: Readonly<S>, expectedVersion: number, commit: CommitInfo): Promise<SaveResult<S>>;
  /** Removes the record under the same check; returns `ok` with `expectedVersion + 1`. */
  delete?(expectedVersion: number): Promise<SaveResult<S>>;
  /**
   * Returns `ok` when the stored version is still `expectedVersion`, else the stored record; writes
   * nothing. Without this method a verification calls `load`.
   */
  verify?(expectedVersion: number): Promise<SaveResult<S>>;
  /**
   * Runs `work` while no other owner of the store can commit this record. A bridge whose keeping
   * of the record ends in time passes the lease to `work`.
   */
  exclusive?<T>(
    work: (lease?: ExclusiveLease) => Promise<T>,
    options?: BridgeExclusiveOptions,
  ): Promise<T>;
}

/** How often a conflicting save is repeated, and how long it waits before. */
export interface CasOptions {
  /** Default 3, so four attempts; negative counts as 0. */
  readonly maxRetries?: number | undefined;
  /** Wait before retry n is `baseDelayMs × 2^(n-1)`; default 10. */
  readonly baseDelayMs?: number | undefined;
  /** Upper bound of one wait; default none. */
  readonly maxDelayMs?: number | undefined;
  /** `full` draws each wait from [0, wait); default `none`. */
  readonly jitter?: "none" | "full" | undefined;
  /** After the last retry, try once more under a short exclusive lease of the store. */
  readonly escalate?: boolean | undefined;
}

/** Time, injectable. `now` is milliseconds since the epoch. */
export interface Clock {
  now(): number;
  /**
   * Milliseconds since some start; they never decrease and cannot be set. Time limits are measured
   * by it. Default `now`.
   */
  monotonic?(): number;
  setTimeout(callback: () => void, delayMs: number): unknown;
  clearTimeout(handle: unknown): void;
}

/** Receives what the kernel cannot throw. Fields carry keys and sizes, never values. */
export interface Logger {
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

/** The argument of `onStateSizeWarning`. */
export interface StateSizeWarning {
  readonly scope: ScopeIdentity;
  readonly sizeBytes: number;
  readonly maxStateSizeBytes: number;
}
