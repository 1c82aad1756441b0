/**
 * The public scope: the kernel's actor with the seven operations, and the stand-alone
 * `createScope`.
 */
import {
  createChecks,
  initialState,
  type CheckOptions,
  type StateSchema,
} from "../../actors/scope/validation.ts";
import { durationOption } from "../../actors/time/clock.ts";
import type { FeedOptions } from "../../actors/scope/change-stream.ts";
import type {
  FeedItem,
  MutationOptions,
  MutationContext,
  PersistBridge,
  ScopeIdentity,
  ScopeStats,
  StateChange,
  Unsubscribe,
} from "../../actors/protocol.ts";
import type { DeepReadonly, Given, GivenState } from "../../actors/state-types.ts";
import type { Recipe } from "../../actors/scope/recipe.ts";
import { TransactMutation, type TransactRecipe } from "../../actors/scope/transact.ts";
import { ScopeActor } from "../../actors/scope/scope.ts";
import type { ScopeActorRef } from "../../actors/xstate/actor-ref.ts";
import {
  type Answers,
  answersOption,
  optionNames,
  refuseUnknown,
  scopeSettings,
  type ScopeTuning,
} from "../../actors/scope/options.ts";
import { READ, type Mutation } from "../../actors/scope/mutation.ts";
import type { ArrayKeys, Element, NumericKeys, RecordKeys, RecordValue } from "./fields.ts";
import { ListWindow, type Window } from "./list-window.ts";
import {
  AppendMutation,
  AtomicMutation,
  DeleteKeyMutation,
  FieldMutation,
  IncrementMutation,
  PatchMutation,
  PushMutation,
  SetKeyMutation,
  SetMutation,
} from "./state-ops.ts";

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

/**
 * One piece of state. A scope of `createScope` belongs to its creator alone; one that a runtime
 * opened is a handle on a scope that all handles of its key share.
 */
export interface Scope<S extends object> extends ScopeStateOps<S>, AsyncDisposable {
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
  /** Reads the store again. */
  refresh(): Promise<void>;
  /** Calls `listener` with every change; the returned function removes it. */
  subscribe(listener: (change: StateChange<S>) => void): Unsubscribe;
  /** The changes from now on; `since` and `snapshot` may put a marker with a state first. */
  changes(options?: FeedOptions): AsyncIterable<FeedItem<S>>;
  /** Writes checkpoint state now. */
  flush(): Promise<void>;
  /** Removes the record: the initial state, version + 1. */
  delete(options?: MutationOptions): Promise<boolean>;
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

/** The kernel's actor with the seven operations. */
export class StateScope<S extends object = object> extends ScopeActor<S> implements Scope<S> {
  patchState(first: unknown, second?: unknown, third?: MutationOptions): Promise<boolean> {
    if (typeof first !== "string")
      return this.#do(() => new PatchMutation(first, this.identity), second as MutationOptions);
    if (second === undefined) return Promise.resolve(false); // Nothing to do.
    return this.#do(() => new FieldMutation(first, second, this.identity), third);
  }

  setState(next: GivenState<S>, options?: MutationOptions): Promise<boolean> {
    return this.#do(() => new SetMutation(next, this.identity), options);
  }

  incState(increments: object, options?: MutationOptions): Promise<boolean> {
    return this.#do(() => new IncrementMutation(increments, this.identity), options);
  }

  pushState(field: unknown, value: unknown, options?: MutationOptions): Promise<boolean> {
    return this.#do(() => new PushMutation(field, value, this.identity), options);
  }

  appendState(field: unknown, values: unknown, options?: MutationOptions): Promise<boolean> {
    return this.#do(() => new AppendMutation(field, values, this.identity), options);
  }

  transact<R>(recipe: TransactRecipe<S, R>, options?: MutationOptions): Promise<R> {
    const done: Promise<unknown> = this.mutate(new TransactMutation(recipe), options);
    return done as Promise<R>; // A call resolves to the answer of its mutation.
  }

  setStateRecord(
    field: unknown,
    key: string,
    value: unknown,
    options?: MutationOptions,
  ): Promise<boolean> {
    return this.#do(() => new SetKeyMutation([field, key], value, this.identity), options);
  }

  deleteStateRecord(field: unknown, key: string, options?: MutationOptions): Promise<boolean> {
    return this.#do(() => new DeleteKeyMutation(field, key, this.identity), options);
  }

  atomicState(
    mutator: (
      state: DeepReadonly<S>,
      context: MutationContext,
    ) => AtomicResult<S> | Promise<AtomicResult<S>>,
    options?: MutationOptions,
  ): Promise<boolean> {
    return this.#do(() => new AtomicMutation(mutator, this.identity), options);
  }

  async read(options?: MutationOptions): Promise<DeepReadonly<S>> {
    await this.mutate(READ, options);
    return this.state;
  }

  async slice(field: unknown, ...[from, to, options]: Window): Promise<readonly never[]> {
    const window = new ListWindow(field, { from, to }, this.identity);
    // The elements have the type of the field, which the interface names.
    return window.of(await this.read(options)) as readonly never[];
  }

  /** Bad arguments reject, like every other failure. */
  #do(make: () => Mutation, options: MutationOptions | undefined): Promise<boolean> {
    try {
      return this.mutate(make(), options);
    } catch (error) {
      return Promise.reject(error);
    }
  }
}

/** Options of a stand-alone scope. */
export interface ScopeOptions<S extends object> extends ScopeTuning, CheckOptions {
  /** Default: type `scope` and a new id. */
  readonly identity?: ScopeIdentity | undefined;
  /** The state before the first write, and after `delete`. */
  readonly initial: (S & {}) | NoInfer<DeepReadonly<S>>;
  /** The version under which `initial` is stored; default 0, never stored. */
  readonly version?: number | undefined;
  readonly schema?: StateSchema<S> | undefined;
  /** The bridge for saves; without it the state is in memory only. */
  readonly persist?: PersistBridge<S> | undefined;
  /**
   * Where a result without a write is checked: `local`, the default, against the state in memory;
   * `verified` with the bridge's `verify`, or its `load`.
   */
  readonly answers?: Answers | undefined;
}

const OPTIONS = optionNames<ScopeOptions<object>>({
  identity: true,
  initial: true,
  version: true,
  schema: true,
  persist: true,
  answers: true,
  maxStateSizeBytes: true,
  hardLimitBytes: true,
  onStateSizeWarning: true,
  cas: true,
  mutationTimeoutMs: true,
  mailboxLimit: true,
  logger: true,
  clock: true,
  random: true,
});

let created = 0;

/**
 * Makes one scope with your own store or none. Throws `RangeError` for a bad number,
 * `StateValidationError` when the schema refuses `initial`, `StateSerializationError` when it
 * cannot be stored, `TypeError` for an unknown option and for `answers: "verified"` with a bridge
 * that has neither `verify` nor `load`, or none.
 */
export function createScope<S extends object>(options: ScopeOptions<S>): Scope<S> {
  refuseUnknown("createScope", options, OPTIONS);
  created += 1;
  const identity = Object.freeze({ type: "scope", id: `scope-${created}`, ...options.identity });
  const checks = createChecks(options);
  const initial = initialState(options.initial, checks, identity);
  const version = Math.max(0, durationOption("version", options.version, 0));
  // The bridge saves and loads states of type S, the type of this scope.
  const bridge = (options.persist ?? null) as PersistBridge<object> | null;
  const verifies = answersOption(options.answers, "local") === "verified";
  if (verifies && bridge?.verify === undefined && bridge?.load === undefined)
    throw new TypeError('answers: "verified" needs a persist bridge with verify or load');
  const settings = scopeSettings(options, { initial, checks, verifies });
  return new StateScope<S>({ identity, settings, bridge, state: initial, version });
}
