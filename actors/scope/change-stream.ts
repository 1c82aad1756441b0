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
 *  F3  A reader holds at most `FEED_BUFFER_MAX` items, for any number of scopes. One that falls
 *      behind gets one marker in place of the changes it missed, and nothing older than the marker
 *      afterwards.
 *  F4  A change after a gap is replaced by a snapshot marker.
 */
import { onAbort } from "./abort.ts";
import { whileNotifying } from "./cascade.ts";
import { cascadeHere, type Cascade } from "./reentrancy.ts";
import { safeCall } from "./safe-call.ts";
import type { FeedItem, Logger, SnapshotMarker, StateChange } from "../protocol.ts";

/**
 * Items a reader of `changes()` may have waiting. Of a scope, all of them then give way to one
 * snapshot marker; of a runtime, they are followed by one `resync` item.
 */
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
      whileNotifying(next.change.scope, next.cause, () => this.#deliver(next.change, count++));
    this.#delivered = count;
    this.#waiting = null;
  }

  #deliver(change: StateChange, count: number): void {
    for (const { call, from } of this.#listeners) {
      if (from > count) continue;
      safeCall(
        () => call(change),
        (error) => this.#logger.error("a change listener threw", { scope: change.scope, error }),
      );
    }
    this.#last(change);
  }
}

/** Where a reader gets its changes. `M`: the marker for changes that it missed. */
export interface ChangeSource<M> {
  listen(listener: ChangeListener): () => void;
  /** Stands for everything that is known when it is called. */
  marker(): M;
  /** The marker takes the place of the items that wait, too. */
  readonly replaces: boolean;
  /** Called when the source ends; the answer forgets the callback. */
  onEnd(callback: () => void): () => void;
}

/** Options of `changes()`. */
export interface FeedOptions {
  /** The last version the reader has; a later one that cannot be replayed gives a marker. */
  readonly since?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A marker; one that holds a state says of which version. */
interface Marker {
  readonly type: string;
  readonly version?: number;
}

/** An endless stream of changes; ends quietly on abort and when its source ends. */
export class ChangeReader<S, M extends Marker> implements AsyncIterableIterator<FeedItem<S> | M> {
  readonly #source: ChangeSource<M>;
  readonly #stops: (() => void)[] = [];
  #buffer: (FeedItem<S> | M)[];
  /** Changes did not fit, and the marker for them has not been read. */
  #behind = false;
  /** Changes of this process up to this version are no news: a marker was ahead of them. */
  #known: number;
  #waiting: (() => void)[] = [];
  #ended = false;

  /** `start` comes first. Changes up to version `known` are left out; 0 for several scopes. */
  constructor(
    source: ChangeSource<M>,
    start: readonly M[],
    known: number,
    signal: AbortSignal | undefined,
  ) {
    this.#source = source;
    this.#buffer = [...start];
    this.#known = known;
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

  async next(): Promise<IteratorResult<FeedItem<S> | M, undefined>> {
    for (;;) {
      const item = this.#buffer.shift() ?? this.#catchUp();
      if (item !== undefined) return { done: false, value: item };
      if (this.#ended) return { done: true, value: undefined };
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    }
  }

  return(): Promise<IteratorResult<FeedItem<S> | M, undefined>> {
    this.#close();
    return Promise.resolve({ done: true, value: undefined });
  }

  #take(change: StateChange): void {
    if (this.#behind || this.#isOld(change)) return; // The marker is made when it is read.
    if (this.#buffer.length < FEED_BUFFER_MAX) {
      this.#buffer.push(change.gap === true ? snapshotOf<S>(change) : change);
    } else {
      this.#behind = true;
      if (this.#source.replaces) this.#buffer = [];
    }
    this.#rouse();
  }

  #catchUp(): M | undefined {
    if (!this.#behind) return undefined;
    this.#behind = false;
    const marker = this.#source.marker();
    this.#known = marker.version ?? this.#known;
    return marker;
  }

  /** A marker taken while a listener ran is ahead of changes that are still being announced. */
  #isOld(change: StateChange): boolean {
    if (change.origin === "local" && change.version <= this.#known) return true;
    this.#known = 0; // Only a state read from the store can go back.
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
    this.#behind = false;
    this.#end();
  }

  #rouse(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }
}

/** The marker in place of a change that replaced the whole state. */
function snapshotOf<S>({ scope, version, patches }: StateChange): SnapshotMarker<S> {
  // A change after a gap has one patch, whose value is the state.
  return { type: "snapshot", scope, version, state: patches[0]?.value as Readonly<S> };
}
