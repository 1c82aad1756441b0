/**
 * Who hears of a scope's changes: listeners, called at once, and readers, who take changes from an
 * async iterator at their own pace.
 *
 * A listener may mutate the scope it listens to. Its change is announced after the one being
 * announced has reached everybody, so all hear the same order. Each change is announced in its own
 * cascade (`cascade.ts`), so one that has to wait keeps what led to it.
 *
 * Invariants
 *  F1  Every listener hears every change announced after it was added, once, in the order of
 *      versions.
 *  F2  A listener that throws, or whose promise rejects, is reported to the logger and harms nobody
 *      else.
 *  F3  A reader holds at most `FEED_BUFFER_MAX` changes; one that falls behind, or hears of a
 *      change after a gap, gets a snapshot marker in place of what it missed, and nothing older
 *      than the marker afterwards.
 */
import { onAbort } from "./abort.ts";
import { whileTold } from "./cascade.ts";
import { cascadeHere, type Cascade } from "./reentrancy.ts";
import { watchOver } from "./safe-call.ts";
import type { FeedItem, Logger, ScopeIdentity, StateChange } from "../protocol.ts";

/** Changes a slow reader may have waiting before they are replaced by a snapshot marker. */
export const FEED_BUFFER_MAX = 1_000;

/** Called with each change. */
export type ChangeListener = (change: StateChange) => void;

interface Listener {
  readonly call: ChangeListener;
  /** The changes before this one are none of its business: it came after them. */
  readonly from: number;
}

/** A change that waits for the one being announced. */
interface Waiting {
  readonly change: StateChange;
  readonly cause: Cascade | undefined;
}

/** The listeners of one scope or runtime. */
export class Listeners {
  readonly #logger: Logger;
  readonly #last: ChangeListener;
  readonly #listeners = new Set<Listener>();
  #waiting: Waiting[] | null = null;
  /** How many changes were announced and delivered before `#waiting`. */
  #delivered = 0;

  /** `last` hears each change after all listeners, and must not throw. */
  constructor(logger: Logger, last: ChangeListener = () => undefined) {
    this.#logger = logger;
    this.#last = last;
  }

  get size(): number {
    return this.#listeners.size;
  }

  /** Adds a listener; the answer removes it. The same function may listen twice. */
  add(call: ChangeListener): () => void {
    const waiting = this.#waiting === null ? 0 : this.#waiting.length + 1;
    const listener = { call, from: this.#delivered + waiting };
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Announces a change to everybody (F1). */
  announce(change: StateChange): void {
    if (this.#waiting !== null) {
      this.#waiting.push({ change, cause: cascadeHere()?.outer });
      return;
    }
    const waiting: Waiting[] = [];
    this.#waiting = waiting;
    let count = this.#delivered;
    this.#deliver(change, count++);
    for (const next of waiting)
      whileTold(next.change.scope, next.cause, () => this.#deliver(next.change, count++));
    this.#delivered = count;
    this.#waiting = null;
  }

  #deliver(change: StateChange, count: number): void {
    for (const { call, from } of this.#listeners) {
      if (from > count) continue;
      watchOver(
        () => call(change),
        (error) => this.#logger.error("a change listener threw", { scope: change.scope, error }),
      );
    }
    this.#last(change);
  }
}

/** Where a reader gets its changes and, after a gap, a snapshot. */
export interface FeedSource<S> {
  /** The present states, when they can be named: what they hold already is no news. */
  readonly now?: readonly FeedItem<S>[];
  listen(listener: ChangeListener): () => void;
  /** The present state of every scope named in `missed`, as markers. */
  snapshot(missed: readonly StateChange[]): FeedItem<S>[];
  /** Called when the source ends; the answer forgets the callback. */
  onEnd(callback: () => void): () => void;
}

/** Options of `changes()`. */
export interface FeedOptions {
  /** The last version the reader has; a later one that cannot be replayed gives a marker. */
  readonly since?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

function keyOf({ type, id }: ScopeIdentity): string {
  return JSON.stringify([type, id]);
}

/** An endless stream of changes; ends quietly on abort and when its source ends. */
export class FeedReader<S> implements AsyncIterableIterator<FeedItem<S>> {
  readonly #source: FeedSource<S>;
  readonly #stops: (() => void)[] = [];
  #buffer: FeedItem<S>[];
  /** Per scope the last change that did not fit; `null` while nothing was missed. */
  #missed: Map<string, StateChange> | null = null;
  /** Per scope the version from which on changes are news. */
  readonly #marked = new Map<string, number>();
  #waiting: (() => void)[] = [];
  #ended = false;

  constructor(source: FeedSource<S>, start: readonly FeedItem<S>[], signal?: AbortSignal) {
    this.#source = source;
    this.#buffer = [...start];
    this.#mark(source.now ?? []);
    if (signal?.aborted === true) {
      this.#close();
      return;
    }
    this.#stops.push(
      source.listen((change) => this.#take(change)),
      source.onEnd(() => this.#end()),
    );
    if (signal !== undefined) this.#stops.push(onAbort(signal, () => this.#close()));
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<FeedItem<S>, undefined>> {
    for (;;) {
      if (this.#buffer.length === 0 && this.#missed !== null) {
        this.#buffer = this.#source.snapshot([...this.#missed.values()]);
        this.#missed = null;
        this.#mark(this.#buffer);
      }
      const item = this.#buffer.shift();
      if (item !== undefined) return { done: false, value: item };
      if (this.#ended) return { done: true, value: undefined };
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    }
  }

  return(): Promise<IteratorResult<FeedItem<S>, undefined>> {
    this.#close();
    return Promise.resolve({ done: true, value: undefined });
  }

  #take(change: StateChange): void {
    if (this.#isOld(change)) return;
    if (this.#missed === null && this.#buffer.length >= FEED_BUFFER_MAX) {
      this.#missed = new Map();
      for (const item of this.#buffer) if (item.type === "state_change") this.#miss(item);
      this.#buffer = this.#buffer.filter((item) => item.type === "snapshot");
    }
    if (change.gap === true) this.#missed ??= new Map(); // What is buffered came before the gap.
    if (this.#missed === null) this.#buffer.push(change);
    else this.#miss(change);
    this.#rouse();
  }

  #miss(change: StateChange): void {
    this.#missed?.set(keyOf(change.scope), change);
  }

  #mark(items: readonly FeedItem<S>[]): void {
    for (const { scope, version } of items) this.#marked.set(keyOf(scope), version);
  }

  /** A marker taken while a listener ran is ahead of changes that are still being announced. */
  #isOld(change: StateChange): boolean {
    if (this.#marked.size === 0) return false;
    const marked = this.#marked.get(keyOf(change.scope)) ?? -1;
    if (change.origin === "local" && change.version <= marked) return true;
    this.#marked.delete(keyOf(change.scope)); // Only a state read from the store can go back.
    return false;
  }

  /** The source ended: what is buffered may still be read. */
  #end(): void {
    this.#ended = true;
    for (const stop of this.#stops.splice(0)) stop();
    this.#rouse();
  }

  /** The reader ended: nothing more is wanted. */
  #close(): void {
    this.#buffer = [];
    this.#missed = null;
    this.#end();
  }

  #rouse(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }
}
