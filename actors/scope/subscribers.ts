/**
 * The subscribers of a scope: its listeners, its readers, and the callbacks for its end. Made when
 * the first of them is added.
 *
 * Invariants
 *  E1  Changes are delivered outside every run: the calls of a listener never count as the work of
 *      the mutator that made the change.
 *  E2  An end callback runs exactly once, also when it is registered after the scope has ended.
 */
import { afterThis } from "../time/soon.ts";
import { whileNotifying } from "./cascade.ts";
import { ChangeReader, Listeners, type ChangeListener, type FeedOptions } from "./change-stream.ts";
import type {
  FeedItem,
  Logger,
  ScopeIdentity,
  SnapshotMarker,
  StateChange,
  Unsubscribe,
} from "../protocol.ts";
import type { DeepReadonly } from "../state-types.ts";
import type { Cascade } from "./reentrancy.ts";
import type { ScopeActorRef } from "../xstate/actor-ref.ts";
import { durationOption } from "../time/clock.ts";
import { checkSignal, optionNames, refuseUnknown } from "./options.ts";

const FEED_OPTIONS = optionNames<FeedOptions>({ since: true, signal: true, snapshot: true });

/** Registers a callback for the end of something; the returned function removes it. */
export type OnEnd = (callback: () => void) => () => void;

/** The scope as its subscribers use it. */
export interface SubscribedScope<S> {
  readonly identity: ScopeIdentity;
  readonly settings: { readonly logger: Logger };
  readonly state: DeepReadonly<S>;
  readonly version: number;
  /** Called with each change after the listeners, in the same order. */
  published(change: StateChange): void;
}

/** The subscribers of one scope; see the head of this file. */
export class Subscribers<S> {
  readonly #subject: SubscribedScope<S>;
  readonly #listeners: Listeners;
  readonly #ends = new Set<() => void>();
  #ended = false;
  /** The XState actor, which is the first listener while it runs. */
  actor: ScopeActorRef | null = null;

  constructor(subject: SubscribedScope<S>) {
    this.#subject = subject;
    this.#listeners = new Listeners(subject.settings.logger, (change) => subject.published(change));
  }

  /** True while there is one that receives changes. */
  get present(): boolean {
    return this.#listeners.size > 0;
  }

  /** Calls `listener` with every change; the returned function removes it. */
  subscribe(listener: ChangeListener): Unsubscribe {
    return this.#listeners.add(listener);
  }

  /** The changes from now on, or from after version `since`, to the end of the scope or `until`. */
  changes(options: FeedOptions, until?: OnEnd): AsyncIterableIterator<FeedItem<S>> {
    refuseUnknown("changes", options, FEED_OPTIONS);
    checkSignal(options.signal);
    const { version } = this.#subject;
    const missed = durationOption("since", options.since, version) !== version;
    const marked = missed || options.snapshot === true;
    const source = {
      listen: (listener: ChangeListener) => this.subscribe(listener),
      marker: () => this.#marker(),
      replaces: true,
      onEnd: (callback: () => void) => {
        const forget = [this.onEnd(callback), until?.(callback)];
        return () => forget.forEach((each) => each?.());
      },
    };
    return new ChangeReader<S, SnapshotMarker<S>>(
      source,
      marked ? [this.#marker()] : [],
      version,
      options.signal,
    );
  }

  /** Calls back once when the scope has stopped; the returned function removes the callback. */
  onEnd(callback: () => void): () => void {
    if (this.#ended) afterThis(callback);
    else this.#ends.add(callback);
    return () => void this.#ends.delete(callback);
  }

  /** Announces a change that the listeners of `cause` have made. */
  announce(change: StateChange, cause: Cascade | undefined): void {
    whileNotifying(change.scope, cause, () => this.#listeners.announce(change));
  }

  /** The scope has stopped. */
  end(): void {
    this.#ended = true;
    for (const callback of this.#ends) callback();
    this.#ends.clear();
    this.actor?.stop();
  }

  #marker(): SnapshotMarker<S> {
    const { identity: scope, version, state } = this.#subject;
    return { type: "snapshot", scope, version, state };
  }
}
