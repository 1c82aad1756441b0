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
 *  F5  An end callback runs exactly once, also when it is registered after the end.
 */
import { whileNotifying } from "./cascade.ts";
import { Reader } from "./reader.ts";
import { cascadeHere, type Cascade } from "./reentrancy.ts";
import { safeCall } from "./safe-call.ts";
import { typeName } from "../state/kind.ts";
import { afterThis } from "../time/soon.ts";
import type {
  FeedItem,
  Logger,
  ResyncMarker,
  SnapshotMarker,
  StateChange,
  Unsubscribe,
} from "../protocol.ts";
import type { DeepReadonly } from "../state-types.ts";

/**
 * Most items in the buffer of a reader of `changes()`. When more come, a snapshot marker replaces
 * the items of a scope; the items of a runtime are followed by one `resync` item.
 */
export const FEED_BUFFER_MAX = 1_000;

/** Called with each change. */
export type ChangeListener = (change: StateChange) => void;

/** Registers a callback for the end of something; the returned function removes it. */
export type OnEnd = (callback: () => void) => () => void;

interface Listener {
  readonly call: ChangeListener;
  /** How many changes were announced before it was added. */
  readonly from: number;
}

/** The listeners of one scope or runtime, and the callbacks for its end. */
export class Listeners {
  readonly #logger: Logger;
  readonly #last: ChangeListener;
  readonly #listeners = new Set<Listener>();
  readonly #ends = new Set<() => void>();
  #ended = false;
  /** The changes that wait for the present announcement, each with its cause. */
  #waiting: (readonly [StateChange, Cascade | undefined])[] | null = null;
  #announced = 0;
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
    const listener = { call, from: this.#announced };
    this.size = this.#listeners.add(listener).size;
    return unsubscribing(() => {
      this.#listeners.delete(listener);
      this.size = this.#listeners.size;
    });
  }

  /** Calls back once at the end (F5); the returned function removes the callback. */
  onEnd(callback: () => void): () => void {
    if (this.#ended) afterThis(callback);
    else this.#ends.add(callback);
    return () => void this.#ends.delete(callback);
  }

  /** No change follows. */
  end(): void {
    this.#ended = true;
    for (const callback of this.#ends) callback();
    this.#ends.clear();
  }

  /** Announces a change to all listeners (F1). */
  announce(change: StateChange): void {
    this.#announced += 1;
    if (this.#waiting !== null) {
      this.#waiting.push([change, cascadeHere()?.outer]);
      return;
    }
    this.#waiting = [];
    this.#deliver(change);
    for (const [next, cause] of this.#waiting)
      whileNotifying(next.scope, cause, () => this.#deliver(next));
    this.#waiting = null;
  }

  #deliver(change: StateChange): void {
    const number = this.#delivered++;
    for (const { call, from } of this.#listeners) {
      if (from > number) continue;
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
  readonly listeners: Listeners;
  /** Makes a marker for everything that is known at the time of the call. */
  marker(): M;
  /** The marker also replaces the buffered items. */
  readonly replaces: boolean;
  /** May end the stream earlier. */
  readonly until?: OnEnd | undefined;
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

/** A stream of changes; ends without an error on abort and when its source ends. */
export class ChangeReader<S, M extends SnapshotMarker<S> | ResyncMarker> extends Reader<
  FeedItem<S> | M
> {
  readonly #source: ChangeSource<M>;
  #buffer: (FeedItem<S> | M)[];
  /** Changes did not fit into the buffer, and their marker has not been read. */
  #behind = false;
  /** Changes of this process up to this version are skipped: a marker covered them. */
  #known: number;

  /** `start` comes first. Changes up to version `known` are skipped; 0 for several scopes. */
  constructor(
    source: ChangeSource<M>,
    start: readonly M[],
    known: number,
    signal: AbortSignal | undefined,
  ) {
    super();
    this.#source = source;
    this.#buffer = [...start];
    this.#known = known;
    this.closeOn(signal);
    if (this.done) return;
    const { listeners, until } = source;
    const end = (): void => this.end();
    this.stops.push(
      listeners.add((change) => this.#add(change)),
      listeners.onEnd(end),
    );
    if (until !== undefined) this.stops.push(until(end));
  }

  protected override take(): FeedItem<S> | M | undefined {
    return this.#buffer.shift() ?? this.#catchUp();
  }

  protected override drop(): void {
    this.#buffer = [];
    this.#behind = false;
  }

  #add(change: StateChange): void {
    if (this.#behind || this.#isOld(change)) return; // The marker is made when it is read.
    if (this.#buffer.length < FEED_BUFFER_MAX) {
      this.#buffer.push(change.gap === true ? snapshotOf<S>(change) : change);
    } else {
      this.#behind = true;
      if (this.#source.replaces) this.#buffer = [];
    }
    this.rouse();
  }

  #catchUp(): M | undefined {
    if (!this.#behind) return undefined;
    this.#behind = false;
    const marker = this.#source.marker();
    if ("version" in marker) this.#known = marker.version;
    return marker;
  }

  /** A marker taken while a listener ran covers changes that are still being announced. */
  #isOld(change: StateChange): boolean {
    if (change.origin === "local" && change.version <= this.#known) return true;
    this.#known = 0; // Only a state read from the store can have a lower version.
    return false;
  }
}

/** The marker in place of a change that replaced the whole state. */
function snapshotOf<S>({ scope, version, patches }: StateChange): SnapshotMarker<S> {
  // A change after a gap has one patch, whose value is the state.
  return { type: "snapshot", scope, version, state: patches[0]?.value as DeepReadonly<S> };
}
