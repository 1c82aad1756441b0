/** What a scope offers, as types. */
import type { FeedOptions } from "../../actors/scope/change-stream.ts";
import type { ExclusiveOptions } from "../../actors/scope/exclusive.ts";
import type {
  FeedItem,
  MutationOptions,
  MutationContext,
  ScopeIdentity,
  ScopeStats,
  StateChange,
  Unsubscribe,
} from "../../actors/protocol.ts";
import type { DeepReadonly, Given, GivenState } from "../../actors/state-types.ts";
import type { TimerOptions, TimerTime } from "../../actors/timing.ts";
import type { Recipe } from "../../actors/scope/recipe.ts";
import type { TransactRecipe } from "../../actors/scope/transact.ts";
import type { ScopeActorRef } from "../../actors/xstate/actor-ref.ts";
import type { ArrayKeys, Element, NumericKeys, RecordKeys, RecordValue } from "./fields.ts";
import type { Window } from "./list-window.ts";

/** The result of an atomic mutator: the fields to change, or nothing. */
export type AtomicResult<S> = Partial<S> | Partial<DeepReadonly<S>> | void;

/** The seven operations. Each resolves to whether the state changed. */
export interface ScopeStateOps<S extends object> {
  /** Merges fields, one level deep. */
  patchState(
    updates: Partial<S> | Partial<DeepReadonly<S>>,
    options?: MutationOptions,
  ): Promise<boolean>;
  /** Sets one field to the result of `updater` for its present value. */
  patchState<K extends keyof S>(
    key: K,
    updater: (
      current: DeepReadonly<S[K]>,
      context: MutationContext,
    ) => Given<S[K]> | Promise<Given<S[K]>>,
    options?: MutationOptions,
  ): Promise<boolean>;
  /** Replaces the whole state. */
  setState(next: GivenState<S>, options?: MutationOptions): Promise<boolean>;
  /** Adds to numeric fields; a missing one starts at 0. */
  incState(
    increments: { [K in NumericKeys<S>]?: number },
    options?: MutationOptions,
  ): Promise<boolean>;
  /** Appends to an array field; a missing one starts empty. */
  pushState<K extends ArrayKeys<S>>(
    field: K,
    value: Given<Element<S[K]>>,
    options?: MutationOptions,
  ): Promise<boolean>;
  /** Sets one key of a record field; a missing record starts empty. */
  setStateRecord<K extends RecordKeys<S>>(
    field: K,
    key: string,
    value: Given<RecordValue<S[K]>>,
    options?: MutationOptions,
  ): Promise<boolean>;
  /** Removes one key of a record field. */
  deleteStateRecord(field: RecordKeys<S>, key: string, options?: MutationOptions): Promise<boolean>;
  /** Merges what `mutator` returns for the present state, atomically. */
  atomicState(
    mutator: (
      state: DeepReadonly<S>,
      context: MutationContext,
    ) => AtomicResult<S> | Promise<AtomicResult<S>>,
    options?: MutationOptions,
  ): Promise<boolean>;
}

/** A timer of a scope. */
export interface Timer<P = unknown> {
  /** Names it in its scope. */
  readonly key: string;
  /** Names its handler. */
  readonly name: string;
  /** What it was set with, frozen. */
  readonly payload: P;
  /** When it fires, or should have fired. */
  readonly at: Date;
}

/** The operations of a scope, also for the code of its exclusive section. */
export interface HeldScope<
  S extends object,
  Names extends string = string,
> extends ScopeStateOps<S> {
  readonly identity: ScopeIdentity;
  /** The last committed state, deep-frozen; Dates and byte arrays in it are not to be edited. */
  readonly state: DeepReadonly<S>;
  /** 0 = never written; grows by one per real change and never decreases. */
  readonly version: number;
  /**
   * Changes the state by an immer recipe: it changes the draft, or returns a plain object that
   * replaces the state. Rejects with `StateTypeError` when it returns a list, a text or an object
   * that would be lost: instead of a change of the draft, or in addition to one.
   */
  update(recipe: Recipe<S>, options?: MutationOptions): Promise<boolean>;
  /**
   * Changes the state by an immer recipe and resolves, once saved, to what the recipe returned; a
   * returned object never replaces the state. Drafts in the result, also inside plain objects,
   * arrays, maps and sets, become frozen values of the committed state. After a conflict the recipe
   * runs again, and the result of the run that was saved counts. A recipe that changes nothing
   * resolves to its result, verified like every result.
   */
  transact<R>(recipe: TransactRecipe<S, R>, options?: MutationOptions): Promise<R>;
  /** Appends each of `values` to an array field, with one event; an empty list changes nothing. */
  appendState<K extends ArrayKeys<S>>(
    field: K,
    values: readonly Given<Element<S[K]>>[],
    options?: MutationOptions,
  ): Promise<boolean>;
  /**
   * The current state, in order with the mutations: one that the store confirmed after the call was
   * made. Costs a read of the version, shared with the saves of the same tick. `volatile` and
   * `checkpoint` kinds, and a bridge without `load`, resolve to the state in memory.
   */
  read(options?: MutationOptions): Promise<DeepReadonly<S>>;
  /**
   * A frozen window of a list field of `read()`, as `Array.prototype.slice` of it; a missing list
   * is empty. Rejects with `StateTypeError` for no list, `TypeError`/`RangeError` for a bad index.
   */
  slice<K extends ArrayKeys<S>>(
    field: K,
    ...window: Window
  ): Promise<DeepReadonly<Element<S[K]>[]>>;
  /**
   * Runs `work` while it has the scope to itself; resolves to its result. Its calls are those on
   * `held`; all other calls wait, those of other processes too where the store excludes them, and
   * a call on the scope itself rejects with `ReentrantMutationError`. Each held call that resolved
   * counts, also if `work` throws later; those that `work` does not await are awaited at the end.
   *
   * Rejects with `ScopeMutationTimeoutError` (phase "queued") and with the reason of the signal
   * while it waits, and with `DeadlockError`. Held calls reject with `ExclusiveLostError` after the
   * section, and when its lease at the store was lost; then the signal of the context aborts.
   */
  exclusive<R>(
    work: (held: HeldScope<S>, context: MutationContext) => R | Promise<R>,
    options?: ExclusiveOptions,
  ): Promise<R>;
  /**
   * The changes of the scope, newest first: one for each version that the kind keeps by `history`,
   * also of changes that were saved together. Rejects with `RangeError` or `TypeError` for bad
   * options.
   */
  history(options?: HistoryOptions): AsyncIterableIterator<HistoryEntry>;
  /**
   * The state at a version, or at a time: after the last change of that millisecond. Rejects with
   * `HistoryGoneError` when the kind does not keep it, `RangeError` for what is in the future.
   */
  at(when: number | Date): Promise<StateAt<S>>;
  /** Changes the state to that of a version or time, as `at` reads it. */
  rewind(when: number | Date, options?: MutationOptions): Promise<boolean>;
  /**
   * Takes back the last change that is not yet undone, or all neighbours with its `meta.group`.
   * Resolves to `false` when there is nothing to undo.
   */
  undo(options?: MutationOptions): Promise<boolean>;
  /** Takes back the last `undo`, unless the state was changed since. */
  redo(options?: MutationOptions): Promise<boolean>;
  /**
   * Sets a timer that runs the handler `name` of the kind, once or at each time of a cron
   * expression, in an exclusive section of the scope; at least once, in any process whose runtime
   * has the kind. Resolves to its key once it is stored; one of the same key is replaced. Changes
   * no state, version or history. Rejects with `TypeError` for an unknown name, with `TypeError` or
   * `RangeError` for bad arguments, a bad cron expression and too many timers, and with
   * `StateSerializationError` for a payload that cannot be stored.
   */
  schedule(
    name: Names,
    when: TimerTime,
    payload?: unknown,
    options?: TimerOptions,
  ): Promise<string>;
  /** Removes a timer; resolves to whether there was one of that key. */
  unschedule(key: string): Promise<boolean>;
  /** The timers that are set, in the order of their times. */
  timers(): Promise<Timer[]>;
  /** Reads the store again. */
  refresh(): Promise<void>;
  /** Writes checkpoint state now. */
  flush(): Promise<void>;
  /** Removes the record: the initial state, version + 1. */
  delete(options?: MutationOptions): Promise<boolean>;
}

/**
 * One piece of state. A scope of `createScope` belongs to its creator alone; one that a runtime
 * opened is a handle on a scope that all handles of its key share.
 */
export interface Scope<S extends object, Names extends string = string>
  extends HeldScope<S, Names>, AsyncDisposable {
  /** Calls `listener` with every change; the returned function removes it. */
  subscribe(listener: (change: StateChange<S>) => void): Unsubscribe;
  /**
   * The changes from now on, or after version `since`: those that the history has, each by itself;
   * a gap gives one snapshot marker. With `snapshot: true` the present state comes first, as one.
   */
  changes(options?: FeedOptions): AsyncIterable<FeedItem<S>>;
  /**
   * Of `createScope`: settles every waiting call, flushes and ends the scope. Of a runtime: ends
   * the subscriptions made through this handle and flushes; the scope continues, also here.
   * `await using` does the same.
   */
  stop(): Promise<void>;
  /** What the scope does now: a new frozen object for each read. */
  readonly stats: ScopeStats;
  /** This scope as an XState actor. */
  readonly actor: ScopeActorRef;
}

/** Selects changes of a history. */
export interface HistoryOptions {
  /** Only versions below it. */
  readonly before?: number | undefined;
  /** Only versions above it. */
  readonly after?: number | undefined;
  /** At most so many; default no limit. */
  readonly limit?: number | undefined;
}

/** One change of a history. */
export interface HistoryEntry extends Pick<
  StateChange,
  "version" | "timestamp" | "operation" | "patches" | "inversePatches" | "meta"
> {}

/** A state of the past. */
export interface StateAt<S extends object> {
  readonly version: number;
  /** When it was made, in milliseconds since the epoch; 0 for version 0. */
  readonly timestamp: number;
  readonly state: DeepReadonly<S>;
}
