/**
 * Delivers the changes of a scope: to listeners, which are called at once, and to readers, which
 * take changes from an async iterator at their own pace.
 *
 * A listener may mutate its scope. That change is announced after the present one has reached all
 * listeners, so all receive the same order. Each change is announced in its own cascade
 * (`cascade.ts`); a change that has to wait keeps its cascade.
 *
 * Invariants
 *  F1  Every listener receives every change announced after it was added, once, in the order of
 *      versions.
 *  F2  A listener that throws, or whose promise rejects, is reported to the logger and does not
 *      affect other listeners.
 *  F3  A reader buffers at most `FEED_BUFFER_MAX` items, for any number of scopes. A slow reader
 *      receives one marker in place of the changes it missed, and nothing older than the marker
 *      afterwards.
 *  F4  A change after a gap is replaced by a snapshot marker.
 */
import { onAbort } from "./abort.ts";
import { whileNotifying } from "./cascade.ts";
import { cascadeHere, type Cascade } from "./reentrancy.ts";
import { safeCall } from "./safe-call.ts";
import { typeName } from "../state/kind.ts";
import type { FeedItem, Logger, SnapshotMarker, StateChange, Unsubscribe } from "../protocol.ts";
import type { DeepReadonly } from "../state-types.ts";

/**
 * Most items in the buffer of a reader of `changes()`. When more come, a snapshot marker replaces
 * the items of a scope; the items of a runtime are followed by one `resync` item.
 */
export const FEED_BUFFER_MAX = 1_000;

/** Called with each change. */
export type ChangeListener = (change: StateChange) => void;

interface Listener {
  readonly call: ChangeListener;
  /** The number of the first change it receives; earlier ones came before it was added. */
  readonly from: number;
}

/** A change that waits for the present announcement. */
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
  /** How many changes were delivered before those in `#waiting`. */
  #delivered = 0;
  /** How many there are; written only here, and a field because each mutation reads it. */
  size = 0;

  /** `last` receives each change after all listeners, and must not throw. */
  constructor(logger: Logger, last: ChangeListener = () => undefined) {
    this.#logger = logger;
    this.#last = last;
  }

  /**
   * Adds a listener; the returned function removes it. A function may be added twice. Throws
   * `TypeError` for what is no function.
   */
  add(call: ChangeListener): Unsubscribe {
    // A caller in JavaScript may pass what the types forbid.
    const given: unknown = call;
    if (typeof given !== "function")
      throw new TypeError(`subscribe needs a function, received ${typeName(given)}`);
    const waiting = this.#waiting === null ? 0 : this.#waiting.length + 1;
    const listener = { call, from: this.#delivered + waiting };
    this.size = this.#listeners.add(listener).size;
    return unsubscribing(() => {
      this.#listeners.delete(listener);
      this.size = this.#listeners.size;
    });
  }

  /** Announces a change to all listeners (F1). */
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

/** The result of a subscription: `remove`, which may be called again, also by `using`. */
export function unsubscribing(remove: () => void): Unsubscribe {
  return Object.assign(remove, { [Symbol.dispose]: remove });
}

/** The source of a reader's changes. `M`: the marker for changes that it missed. */
export interface ChangeSource<M> {
  listen(listener: ChangeListener): () => void;
  /** Makes a marker for everything that is known at the time of the call. */
  marker(): M;
  /** The marker also replaces the buffered items. */
  readonly replaces: boolean;
  /** Registers a callback for the end of the source; the returned function removes it. */
  onEnd(callback: () => void): () => void;
}

/** Options of `changes()`. */
export interface FeedOptions {
  /** The last version the reader has; later versions that cannot be replayed give a marker. */
  readonly since?: number | undefined;
  /**
   * Begin with the state as it is when `changes` is called. Every later change follows, none
   * twice. A runtime, whose states may be anywhere, begins with `resync` instead.
   */
  readonly snapshot?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A marker; one with a state has the version of that state. */
interface Marker {
  readonly type: string;
  readonly version?: number;
}

/** A stream of changes; ends without an error on abort and when its source ends. */
export class ChangeReader<S, M extends Marker> implements AsyncIterableIterator<FeedItem<S> | M> {
  readonly #source: ChangeSource<M>;
  readonly #stops: (() => void)[] = [];
  #buffer: (FeedItem<S> | M)[];
  /** Changes did not fit into the buffer, and their marker has not been read. */
  #behind = false;
  /** Changes of this process up to this version are skipped: a marker covered them. */
  #known: number;
  #waiting: (() => void)[] = [];
  #ended = false;

  /** `start` comes first. Changes up to version `known` are skipped; 0 for several scopes. */
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

  /** A marker taken while a listener ran covers changes that are still being announced. */
  #isOld(change: StateChange): boolean {
    if (change.origin === "local" && change.version <= this.#known) return true;
    this.#known = 0; // Only a state read from the store can have a lower version.
    return false;
  }

  /** The source ended: buffered items can still be read. */
  #end(): void {
    this.#ended = true;
    for (const stop of this.#stops.splice(0)) stop();
    this.#rouse();
  }

  /** The reader ended: the buffer is dropped. */
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
  return { type: "snapshot", scope, version, state: patches[0]?.value as DeepReadonly<S> };
}
