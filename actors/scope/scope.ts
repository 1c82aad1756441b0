/**
 * A scope: one state with its mailbox, its version and its events. This is the actor.
 *
 * It owns the confirmed state and version, and its subscribers. Waiting calls belong to an
 * executor, which exists only while there are any, so that an idle scope is a few hundred bytes.
 * It has no private methods, as V8 keeps a word in each object of a class that has one.
 *
 * Cases of a mutation
 *   idle, no bridge, plain data    applied before the call returns; no call object, no executor
 *   idle, no bridge, user code     applied before the call returns unless the code is asynchronous
 *   busy                           waits in the mailbox
 *   with a bridge                  applied in order, resolves when its save is confirmed
 *
 * Invariants
 *  C1  `state` is a confirmed, deep-frozen state; reading it never waits and runs no user code.
 *  C2  `version` grows by one per real change; else it moves only by adopting the store's version.
 *  C3  Every promise handed out is settled, also after `stop`.
 *  C4  Events follow the order of versions; each local change has exactly one.
 */
import { adopt, commitChange } from "./commit.ts";
import { done, submitTo } from "./admission.ts";
import { Subscribers } from "./subscribers.ts";
import { DraftState } from "../state/draft-state.ts";
import { changeOf, stateChangeOf, type WholeChange } from "./change-event.ts";
import { whileNotifying } from "./cascade.ts";
import type { Activity, Announced, ScopeCore, ScopeParts } from "./scope-core.ts";
import { Executor } from "./executor.ts";
import type { ChangeListener, FeedOptions, OnEnd } from "./change-stream.ts";
import type { Outcome, ExclusiveTask } from "./mailbox.ts";
import type { Mutation } from "./mutation.ts";
import type {
  FeedItem,
  Tombstone,
  MutationOptions,
  PersistBridge,
  ScopeIdentity,
  ScopeStats,
  StateChange,
  Stored,
  Unsubscribe,
} from "../protocol.ts";
import type { DeepReadonly } from "../state-types.ts";
import { RecipeMutation, type Recipe } from "./recipe.ts";
import { ScopeHooks } from "./scope-hooks.ts";
import type { ScopeActorRef } from "../xstate/actor-ref.ts";
import { createScopeActor } from "../xstate/scope-logic.ts";
import type { ScopeSettings } from "./options.ts";
import { claimBy, type Claim } from "./claim.ts";
import { deleteWork, readAgain, refreshWork } from "./tasks.ts";
import { cascadeHere, type Cascade } from "./reentrancy.ts";
import { begin } from "./safe-call.ts";
import { warnOfSize } from "./validation.ts";
import { applyMutation } from "./apply-mutation.ts";
import { MUTATIONS } from "./trace.ts";
import { isWriting, visible } from "./writing.ts";

const CHANGED = Promise.resolve(true);
const UNCHANGED = Promise.resolve(false);
const IDLE: Activity = { waiting: 0, running: false, saving: false };

/** One scope; see the head of this file. */
export class ScopeActor<S extends object = object> extends ScopeHooks implements ScopeCore {
  readonly identity: ScopeIdentity;
  readonly settings: ScopeSettings;
  /** @internal */
  readonly initial: object;
  bridge: PersistBridge<object> | null;
  readonly draft: DraftState;
  /** @internal When it was made; milliseconds since the epoch. */
  readonly residentSince: number;
  /** @internal The confirmed version; read it as `version`. */
  version: number;
  /** @internal */
  stale = false;
  /** @internal A record of this scope exists: it was written and not deleted. */
  exists: boolean;
  /** @internal Set by every use; the passivation of idle scopes clears it. */
  touched = true;
  #executor: Executor | null = null;
  #subscribers: Subscribers<S> | null = null;
  /** The work of `stop`, from its first call on. */
  #stopping: Promise<void> | null = null;

  constructor(parts: ScopeParts) {
    super();
    this.identity = parts.identity;
    this.settings = parts.settings;
    this.initial = parts.initial;
    this.bridge = parts.bridge;
    this.draft = new DraftState(parts.state, parts.identity);
    this.version = parts.version;
    this.residentSince = parts.settings.clock.now();
    this.exists = parts.version > 0;
  }

  /** The last confirmed state, deep-frozen. */
  get state(): DeepReadonly<S> {
    this.touched = true;
    // The draft holds an S: it starts as one and every write is checked or typed as one.
    return (this.#executor?.confirmed ?? visible(this.draft)) as DeepReadonly<S>;
  }

  /** True after `stop`. */
  get stopped(): boolean {
    return this.#stopping !== null;
  }

  /** True when a call waits, runs or is being saved. */
  get busy(): boolean {
    return this.#executor !== null;
  }

  /** True when the scope is not busy and has no listener. */
  get idle(): boolean {
    return !this.busy && (this.#subscribers?.size ?? 0) === 0;
  }

  /** @internal A bridge of the caller receives them. */
  get savesPatches(): boolean {
    return this.bridge !== null;
  }

  /** @internal */
  get listening(): boolean {
    return (this.#subscribers?.size ?? 0) > 0 || this.watched;
  }

  /** What the scope does now. */
  get stats(): ScopeStats {
    const { activity, residentSince, version } = this;
    const saving = activity.saving || this.writesBehind;
    return Object.freeze({ ...activity, saving, version, residentSince });
  }

  /** @internal */
  get activity(): Activity {
    return this.#executor?.activity ?? IDLE;
  }

  /** The XState actor of this scope; made at the first read. */
  get actor(): ScopeActorRef {
    return (this.subscribers.actor ??= createScopeActor(this));
  }

  /** @internal Made when they are needed. */
  get subscribers(): Subscribers<S> {
    if (this.#subscribers !== null) return this.#subscribers;
    const made = new Subscribers<S>(this);
    const end = (): void => made.end(); // Made too late for `stop`, or ended by it already.
    this.#stopping?.then(end, end);
    return (this.#subscribers = made);
  }

  /** @internal The bridge that loads the scope; a subclass may save in another way. */
  get backing(): PersistBridge<object> | null {
    return this.bridge;
  }

  /** Submits a mutation; resolves to whether it changed the state. */
  mutate(mutation: Mutation, options?: MutationOptions): Promise<boolean> {
    this.touched = true;
    const direct =
      this.#executor === null &&
      this.bridge === null &&
      options === undefined &&
      mutation.compute === undefined &&
      !this.stale &&
      this.#stopping === null &&
      !MUTATIONS.hasSubscribers &&
      cascadeHere() === undefined &&
      !isWriting(this.identity);
    if (!direct) return this.submit(mutation, options);
    const outcome = applyMutation(this, mutation, undefined);
    if (outcome.error !== null) return Promise.reject(outcome.error.thrown);
    if (!outcome.changed) return UNCHANGED;
    commitChange(this, mutation, outcome, null);
    return CHANGED;
  }

  /** Puts work into the mailbox; the promise settles with its outcome. */
  submit(work: Mutation | ExclusiveTask, options?: MutationOptions): Promise<boolean> {
    return submitTo(this, work, options);
  }

  /** @internal Made when it is needed. */
  get executor(): Executor {
    return (this.#executor ??= new Executor(this));
  }

  /** Changes the state by an immer recipe. */
  update(recipe: Recipe<S>, options?: MutationOptions): Promise<boolean> {
    return this.mutate(new RecipeMutation(recipe), options);
  }

  /** Removes the record; the state becomes the initial one and the version grows by one. */
  delete(options?: MutationOptions): Promise<boolean> {
    return this.submit(deleteWork(this), options);
  }

  /** @internal Claims the scope for an exclusive section; resolves when the claim starts. */
  claim(options?: MutationOptions): Promise<Claim> {
    return claimBy(this, (work) => this.submit(work, options));
  }

  /** Reads the store again, in order with the mutations. */
  refresh(): Promise<void> {
    return done(this.submit(refreshWork(this)));
  }

  /** Saves changes that are only in memory; a scope that saves each change has none. */
  flush(): Promise<void> {
    return Promise.resolve();
  }

  /** Calls `listener` with every change; the returned function removes it. */
  subscribe(listener: ChangeListener): Unsubscribe {
    return this.subscribers.add(listener);
  }

  /** The changes from now on, or from after version `since`; `until` may end them earlier. */
  changes(options: FeedOptions = {}, until?: OnEnd): AsyncIterableIterator<FeedItem<S>> {
    return this.subscribers.changes(options, until);
  }

  /** Settles every waiting call, saves changes that are only in memory, ends every reader. */
  stop(): Promise<void> {
    // Kept before the refusals, so that no call is admitted meanwhile.
    const keep = (stopping: Promise<void>): void => void (this.#stopping = stopping);
    const end = async (): Promise<void> => {
      await this.#executor?.stop();
      try {
        await this.flush();
      } finally {
        this.#subscribers?.end();
        this.ended();
      }
    };
    return this.#stopping ?? begin(keep, end);
  }

  /** Stops at the end of an `await using` block. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** @internal */
  announce(mutation: Mutation, outcome: Outcome, by: Announced | null, version?: number): void {
    const about = { version: version ?? this.version, meta: by?.options?.meta };
    this.publish(changeOf(this, mutation, outcome, about), by?.cause);
  }

  /** @internal */
  committed(cause?: Cascade): void {
    if (this.settings.checks !== null) warnOfSize(this, cause);
  }

  /** @internal */
  reload(isWanted: () => boolean): Promise<void> {
    return readAgain(this, isWanted);
  }

  /** @internal Adopts the store's record; announces it when it differs. */
  take(found: Stored<object> | Tombstone): void {
    adopt(this, found);
  }

  /** @internal */
  announceState(change: WholeChange): void {
    if (this.listening) this.publish(stateChangeOf(this, change), change.cause);
  }

  /** @internal */
  rest(): void {
    this.#executor = null;
  }

  /** @internal */
  publish(change: StateChange, cause: Cascade | undefined): void {
    const listeners = this.#subscribers;
    if (listeners !== null) listeners.publish(change, cause);
    else whileNotifying(change.scope, cause, () => this.published(change));
  }

  /** @internal Calls back once when the scope has stopped; the result removes the callback. */
  onEnd(callback: () => void): () => void {
    return this.subscribers.onEnd(callback);
  }
}
