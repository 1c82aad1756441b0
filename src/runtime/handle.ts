/**
 * The result of `open`: a handle on the scope that all handles of its key share.
 *
 * Invariants
 *  H1  All handles of a key use one scope: the same state, mailbox, version and XState actor.
 *  H2  `stop` ends the subscriptions made through this handle, and none of other handles.
 *  H3  While a handle is referenced, or has subscriptions, its scope stays the same.
 */
import {
  type ChangeListener,
  type FeedOptions,
  unsubscribing,
} from "../../actors/scope/change-stream.ts";
import type {
  FeedItem,
  MutationOptions,
  MutationContext,
  ScopeIdentity,
  ScopeStats,
  Unsubscribe,
} from "../../actors/protocol.ts";
import type { DeepReadonly, GivenState } from "../../actors/state-types.ts";
import type { ExclusiveOptions } from "../../actors/scope/exclusive.ts";
import type { TimerOptions, TimerTime } from "../../actors/timing.ts";
import type { Recipe } from "../../actors/scope/recipe.ts";
import type { TransactRecipe } from "../../actors/scope/transact.ts";
import type { ScopeActorRef } from "../../actors/xstate/actor-ref.ts";
import type { ScopeSettings } from "../../actors/scope/options.ts";
import { ResidentScope } from "./resident-scope.ts";
import type { Window } from "./list-window.ts";
import type {
  AtomicResult,
  HeldScope,
  HistoryEntry,
  HistoryOptions,
  Scope,
  StateAt,
  Timer,
} from "./scope-types.ts";

/** A handle on a shared scope; see the head of this file. */
export class ScopeHandle<S extends object = object> implements Scope<S> {
  /** Its state is an S, in all casts here: `open` names the type, and the schema checks it. */
  readonly #scope: ResidentScope;
  /** Ends the subscriptions of this handle; made with the first one. */
  #ends: Set<() => void> | null = null;

  constructor(scope: ResidentScope) {
    this.#scope = scope;
  }

  /** The scope of a handle; `undefined` for another object. */
  static scopeOf(handle: object): ResidentScope | undefined {
    return #scope in handle ? handle.#scope : undefined;
  }

  get identity(): ScopeIdentity {
    return this.#scope.identity;
  }

  get state(): DeepReadonly<S> {
    return this.#scope.state as DeepReadonly<S>;
  }

  get version(): number {
    return this.#scope.version;
  }

  get stats(): ScopeStats {
    return this.#scope.stats;
  }

  get actor(): ScopeActorRef {
    return this.#scope.actor;
  }

  /** @internal For `scopeLogic`. */
  get settings(): ScopeSettings {
    return this.#scope.settings;
  }

  /** @internal The runtime is closed. */
  get stopped(): boolean {
    return this.#scope.stopped;
  }

  /** Checkpoint writes that failed so far. */
  get checkpointErrors(): number {
    return this.#scope.checkpointErrors;
  }

  patchState(first: unknown, second?: unknown, third?: MutationOptions): Promise<boolean> {
    return this.#scope.patchState(first, second, third);
  }

  setState(next: GivenState<S>, options?: MutationOptions): Promise<boolean> {
    return this.#scope.setState(next, options);
  }

  incState(increments: object, options?: MutationOptions): Promise<boolean> {
    return this.#scope.incState(increments, options);
  }

  pushState(field: unknown, value: unknown, options?: MutationOptions): Promise<boolean> {
    return this.#scope.pushState(field, value, options);
  }

  appendState(field: unknown, values: unknown, options?: MutationOptions): Promise<boolean> {
    return this.#scope.appendState(field, values, options);
  }

  setStateRecord(
    field: unknown,
    key: string,
    value: unknown,
    options?: MutationOptions,
  ): Promise<boolean> {
    return this.#scope.setStateRecord(field, key, value, options);
  }

  deleteStateRecord(field: unknown, key: string, options?: MutationOptions): Promise<boolean> {
    return this.#scope.deleteStateRecord(field, key, options);
  }

  atomicState(
    mutator: (
      state: DeepReadonly<S>,
      context: MutationContext,
    ) => AtomicResult<S> | Promise<AtomicResult<S>>,
    options?: MutationOptions,
  ): Promise<boolean> {
    return this.#scope.atomicState(mutator as (state: object) => object, options);
  }

  history(options?: HistoryOptions): AsyncIterableIterator<HistoryEntry> {
    return this.#scope.history(options);
  }

  at(when: number | Date): Promise<StateAt<S>> {
    return this.#scope.at(when) as Promise<StateAt<S>>;
  }

  rewind(when: number | Date, options?: MutationOptions): Promise<boolean> {
    return this.#scope.rewind(when, options);
  }

  undo(options?: MutationOptions): Promise<boolean> {
    return this.#scope.undo(options);
  }

  redo(options?: MutationOptions): Promise<boolean> {
    return this.#scope.redo(options);
  }

  update(recipe: Recipe<S>, options?: MutationOptions): Promise<boolean> {
    return this.#scope.update(recipe as Recipe<object>, options);
  }

  transact<R>(recipe: TransactRecipe<S, R>, options?: MutationOptions): Promise<R> {
    return this.#scope.transact(recipe as TransactRecipe<object, R>, options);
  }

  delete(options?: MutationOptions): Promise<boolean> {
    return this.#scope.delete(options);
  }

  read(options?: MutationOptions): Promise<DeepReadonly<S>> {
    return this.#scope.read(options) as Promise<DeepReadonly<S>>;
  }

  slice(field: unknown, ...window: Window): Promise<readonly never[]> {
    return this.#scope.slice(field, ...window);
  }

  exclusive<R>(
    work: (held: HeldScope<S>, context: MutationContext) => R | Promise<R>,
    options?: ExclusiveOptions,
  ): Promise<R> {
    const given = work as (held: HeldScope<object>, context: MutationContext) => R | Promise<R>;
    return this.#scope.exclusive(given, options);
  }

  schedule(
    name: string,
    when: TimerTime,
    payload?: unknown,
    options?: TimerOptions,
  ): Promise<string> {
    return this.#scope.schedule(name, when, payload, options);
  }

  unschedule(key: string): Promise<boolean> {
    return this.#scope.unschedule(key);
  }

  timers(): Promise<Timer[]> {
    return this.#scope.timers();
  }

  refresh(): Promise<void> {
    return this.#scope.refresh();
  }

  flush(): Promise<void> {
    return this.#scope.flush();
  }

  subscribe(listener: ChangeListener): Unsubscribe {
    const stop = this.#scope.subscribe(listener);
    const forget = this.#onStop(stop);
    return unsubscribing(() => {
      forget();
      stop();
    });
  }

  changes(options?: FeedOptions): AsyncIterableIterator<FeedItem<S>> {
    const changes = this.#scope.changes(options, (callback) => this.#onStop(callback));
    return changes as AsyncIterableIterator<FeedItem<S>>;
  }

  /** @internal Calls back once when the runtime has closed; the result removes the callback. */
  onEnd(callback: () => void): () => void {
    return this.#scope.onEnd(callback);
  }

  /** Ends the subscriptions of this handle, and flushes (H2). */
  async stop(): Promise<void> {
    const ends = this.#ends;
    this.#ends = null;
    for (const end of ends ?? []) end();
    await this.#scope.flush();
  }

  /** Stops at the end of an `await using` block. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #onStop(callback: () => void): () => void {
    const end = (): void => callback(); // The same callback may be given twice.
    this.#ends ??= new Set();
    this.#ends.add(end);
    return () => void this.#ends?.delete(end);
  }
}

/** The scope of a runtime's handle; `undefined` for an object that is no handle. */
export function residentOf(scope: unknown): ResidentScope | undefined {
  if (scope instanceof ResidentScope) return scope;
  return typeof scope === "object" && scope !== null ? ScopeHandle.scopeOf(scope) : undefined;
}
