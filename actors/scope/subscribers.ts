/**
 * The audience of a scope: who listens to its changes, who reads them as a stream, and who wants to
 * know that it has ended. A scope has one when the first of them comes.
 *
 * Invariants
 *  E1  Changes reach the audience outside every turn: what a listener does is never taken for the
 *      work of the mutator whose change it hears of.
 *  E2  Whoever wants to hear of the end hears of it once, also when he comes after it.
 */
import { afterThis } from "../time/soon.ts";
import { whileNotifying } from "./cascade.ts";
import { ChangeReader, Listeners, type ChangeListener, type FeedOptions } from "./change-stream.ts";
import type { FeedItem, Logger, ScopeIdentity, SnapshotMarker, StateChange } from "../protocol.ts";
import type { Cascade } from "./reentrancy.ts";
import { refuseUnknown } from "./options.ts";

/** Calls back when something ends; the answer forgets the callback. */
export type OnEnd = (callback: () => void) => () => void;

/** The scope as its audience sees it. */
export interface SubscribedScope<S> {
  readonly identity: ScopeIdentity;
  readonly settings: { readonly logger: Logger };
  readonly state: Readonly<S>;
  readonly version: number;
  /** Told of each change after the listeners, in the same order. */
  published(change: StateChange): void;
}

/** Who hears of one scope; see the head of this file. */
export class Subscribers<S> {
  readonly #subject: SubscribedScope<S>;
  readonly #listeners: Listeners;
  readonly #ends = new Set<() => void>();
  #ended: boolean;

  /** `ended`: the scope has stopped already. */
  constructor(subject: SubscribedScope<S>, ended: boolean) {
    this.#subject = subject;
    this.#ended = ended;
    this.#listeners = new Listeners(subject.settings.logger, (change) => subject.published(change));
  }

  /** How many listen. */
  get size(): number {
    return this.#listeners.size;
  }

  /** Calls `listener` with every change; the answer stops it. */
  subscribe(listener: ChangeListener): () => void {
    return this.#listeners.add(listener);
  }

  /** The changes from now on, or from after version `since`, to the end of the scope or `until`. */
  changes(options: FeedOptions, until?: OnEnd): AsyncIterableIterator<FeedItem<S>> {
    refuseUnknown("changes", options, ["since", "signal"]);
    const { version } = this.#subject;
    const missed = options.since !== undefined && options.since !== version;
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
      missed ? [this.#marker()] : [],
      version,
      options.signal,
    );
  }

  /** Calls back once when the scope has stopped; the answer forgets the callback. */
  onEnd(callback: () => void): () => void {
    if (this.#ended) afterThis(callback);
    else this.#ends.add(callback);
    return () => void this.#ends.delete(callback);
  }

  /** Tells everybody of a change that the listeners of `cause` have made. */
  announce(change: StateChange, cause: Cascade | undefined): void {
    whileNotifying(change.scope, cause, () => this.#listeners.announce(change));
  }

  /** The scope has stopped. */
  end(): void {
    this.#ended = true;
    for (const callback of this.#ends) callback();
    this.#ends.clear();
  }

  #marker(): SnapshotMarker<S> {
    const { identity: scope, version, state } = this.#subject;
    return { type: "snapshot", scope, version, state };
  }
}
