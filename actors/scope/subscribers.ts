/**
 * The subscribers of a scope: its listeners, its readers, its XState actor, and the callbacks for
 * its end. Made when the first of them is added.
 *
 * Invariants
 *  E1  Changes are delivered outside every run: the calls of a listener never count as the work of
 *      the mutator that made the change.
 */
import { whileNotifying } from "./cascade.ts";
import { ChangeReader, Listeners, type FeedOptions, type OnEnd } from "./change-stream.ts";
import type { FeedItem, Logger, ScopeIdentity, SnapshotMarker, StateChange } from "../protocol.ts";
import type { DeepReadonly } from "../state-types.ts";
import type { Cascade } from "./reentrancy.ts";
import type { ScopeActorRef } from "../xstate/actor-ref.ts";
import { durationOption } from "../time/clock.ts";
import { checkSignal, optionNames, refuseUnknown } from "./options.ts";

const FEED_OPTIONS = optionNames<FeedOptions>({ since: true, signal: true, snapshot: true });

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
export class Subscribers<S> extends Listeners {
  readonly #subject: SubscribedScope<S>;
  /** The XState actor, which is the first listener while it runs. */
  actor: ScopeActorRef | null = null;

  constructor(subject: SubscribedScope<S>) {
    super(subject.settings.logger, (change) => subject.published(change));
    this.#subject = subject;
  }

  /** The changes from now on, or from after version `since`, to the end of the scope or `until`. */
  changes(options: FeedOptions, until?: OnEnd): AsyncIterableIterator<FeedItem<S>> {
    refuseUnknown("changes", options, FEED_OPTIONS);
    checkSignal(options.signal);
    const { version } = this.#subject;
    const missed = durationOption("since", options.since, version) !== version;
    const marker = (): SnapshotMarker<S> => {
      const { identity: scope, version: present, state } = this.#subject;
      return { type: "snapshot", scope, version: present, state };
    };
    const source = { listeners: this, marker, replaces: true, until };
    const start = missed || options.snapshot === true ? [marker()] : [];
    return new ChangeReader<S, SnapshotMarker<S>>(source, start, version, options.signal);
  }

  /** Announces a change that the listeners of `cause` have made. */
  publish(change: StateChange, cause: Cascade | undefined): void {
    whileNotifying(change.scope, cause, () => this.announce(change));
  }

  /** The scope has stopped. */
  override end(): void {
    super.end();
    this.actor?.stop();
  }
}
