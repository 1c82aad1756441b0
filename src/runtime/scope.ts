/**
 * The public scope: the kernel's actor with the operations, and the stand-alone
 * `createScope`.
 */
import {
  createChecks,
  initialState,
  type CheckOptions,
  type StateSchema,
} from "../../actors/scope/validation.ts";
import { durationOption } from "../../actors/time/clock.ts";
import type { FeedOptions, OnEnd } from "../../actors/scope/change-stream.ts";
import type {
  FeedItem,
  MutationOptions,
  MutationContext,
  PersistBridge,
  ScopeIdentity,
} from "../../actors/protocol.ts";
import type { DeepReadonly, GivenState } from "../../actors/state-types.ts";
import { TransactMutation, type TransactRecipe } from "../../actors/scope/transact.ts";
import { ScopeActor } from "../../actors/scope/scope.ts";
import {
  type Answers,
  answersOption,
  optionNames,
  refuseUnknown,
  scopeSettings,
  type ScopeTuning,
} from "../../actors/scope/options.ts";
import { READ, type Mutation } from "../../actors/scope/mutation.ts";
import { ListWindow, type Window } from "./list-window.ts";
import type { Claim } from "../../actors/scope/claim.ts";
import type { ExclusiveOptions } from "../../actors/scope/exclusive.ts";
import { heldView, withScopes } from "./held-scope.ts";
import {
  AppendMutation,
  AtomicMutation,
  DeleteKeyMutation,
  FieldMutation,
  IncrementMutation,
  type Operation,
  PatchMutation,
  PushMutation,
  SetKeyMutation,
  SetMutation,
} from "./state-ops.ts";
import { changesOf, momentOf, redoMutation, RewindMutation, undoMutation } from "./past-ops.ts";
import { ReplayedChanges } from "./replayed-changes.ts";
import { NO_PAST, Past, type PastSource } from "./past.ts";
import { NO_TIMEKEEPER, type Timekeeper, type TimerCaller } from "./timer-types.ts";
import type { TimerOptions, TimerTime } from "../../actors/timing.ts";
import type {
  AtomicResult,
  HeldScope,
  HistoryEntry,
  HistoryOptions,
  Scope,
  StateAt,
  Timer,
} from "./scope-types.ts";

export type { AtomicResult, HeldScope, Scope, ScopeStateOps, Timer } from "./scope-types.ts";

/**
 * The kernel's actor with the operations. They use nothing of it but its identity, `mutate`
 * and the like: a held scope has them, too.
 */
export class StateScope<S extends object = object> extends ScopeActor<S> implements Scope<S> {
  patchState(first: unknown, second?: unknown, third?: MutationOptions): Promise<boolean> {
    if (typeof first !== "string")
      return this.perform(PatchMutation, second as MutationOptions, first);
    if (second === undefined) return Promise.resolve(false); // Nothing to do.
    return this.perform(FieldMutation, third, first, second);
  }

  setState(next: GivenState<S>, options?: MutationOptions): Promise<boolean> {
    return this.perform(SetMutation, options, next);
  }

  incState(increments: object, options?: MutationOptions): Promise<boolean> {
    return this.perform(IncrementMutation, options, increments);
  }

  pushState(field: unknown, value: unknown, options?: MutationOptions): Promise<boolean> {
    return this.perform(PushMutation, options, field, value);
  }

  appendState(field: unknown, values: unknown, options?: MutationOptions): Promise<boolean> {
    return this.perform(AppendMutation, options, field, values);
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
    return this.perform(SetKeyMutation, options, [field, key], value);
  }

  deleteStateRecord(field: unknown, key: string, options?: MutationOptions): Promise<boolean> {
    return this.perform(DeleteKeyMutation, options, field, key);
  }

  atomicState(
    mutator: (
      state: DeepReadonly<S>,
      context: MutationContext,
    ) => AtomicResult<S> | Promise<AtomicResult<S>>,
    options?: MutationOptions,
  ): Promise<boolean> {
    return this.perform(AtomicMutation, options, mutator);
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

  override changes(options: FeedOptions = {}, until?: OnEnd): AsyncIterableIterator<FeedItem<S>> {
    const { since, snapshot, signal } = options ?? {};
    if (since === undefined || snapshot === true || !this.settings.history)
      return super.changes(options, until);
    const live = super.changes({ ...options, since: undefined }, until);
    const { version } = this;
    const from = durationOption("since", since, version);
    return new ReplayedChanges<S>(this, { since: from, version, live, signal });
  }

  history(options: HistoryOptions = {}): AsyncGenerator<HistoryEntry, void, undefined> {
    return changesOf(this, options, () => this.read());
  }

  async at(when: number | Date): Promise<StateAt<S>> {
    const { now, time } = momentOf(this.identity, this.settings.clock, when);
    const state = await this.read();
    const found = await new Past(this).at(time, { state, version: this.version }, now);
    return Object.freeze(found as StateAt<S>); // A state of this scope, by its schema.
  }

  rewind(when: number | Date, options?: MutationOptions): Promise<boolean> {
    return this.perform(RewindMutation, options, this, when);
  }

  undo(options?: MutationOptions): Promise<boolean> {
    return this.mutate(undoMutation(this), options);
  }

  redo(options?: MutationOptions): Promise<boolean> {
    return this.mutate(redoMutation(this), options);
  }

  schedule(
    name: string,
    when: TimerTime,
    payload?: unknown,
    options?: TimerOptions,
  ): Promise<string> {
    return this.timekeeper.schedule(this, [name, when, payload, options]);
  }

  unschedule(key: string): Promise<boolean> {
    return this.timekeeper.unschedule(this, key);
  }

  timers(): Promise<Timer[]> {
    return this.timekeeper.timers(this);
  }

  /** @internal Sets its timers. */
  get timekeeper(): Timekeeper {
    return NO_TIMEKEEPER;
  }

  /** @internal Submits a mutation; a scope with timers adds what the code of it sets. */
  through(
    mutation: Mutation,
    submit: (work: Mutation) => Promise<boolean>,
    _caller: TimerCaller,
  ): Promise<boolean> {
    return submit(mutation);
  }

  /** @internal */
  get past(): PastSource {
    return NO_PAST;
  }

  exclusive<R>(
    work: (held: HeldScope<S>, context: MutationContext) => R | Promise<R>,
    options?: ExclusiveOptions,
  ): Promise<R> {
    // What a scope of state S gives its section has that state.
    return withScopes([this], ([held], context) => work(held as HeldScope<S>, context), options);
  }

  /** @internal The operations of this scope by held calls. */
  heldBy(calls: Claim): object {
    return heldView(this, calls, StateScope.prototype);
  }

  /** @internal Bad arguments reject, like every other failure. */
  perform<A extends readonly unknown[]>(
    Operation: Operation<A>,
    options: MutationOptions | undefined,
    ...given: A
  ): Promise<boolean> {
    try {
      return this.mutate(new Operation(this.identity, ...given), options);
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
  /**
   * The bridge for saves; without it the state is in memory only. Keys of `once` are in memory
   * only: they survive conflicts, and end with this scope or its deletion.
   */
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
  const settings = scopeSettings(options, { checks, verifies });
  return new StateScope<S>({ identity, settings, bridge, state: initial, initial, version });
}
