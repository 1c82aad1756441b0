/**
 * The changes of one scope for all its readers over HTTP.
 *
 *  D1  A reader receives every version once, in order, or one snapshot after a gap: changes that
 *      were read from the store as a whole, a reader that fell behind, an erased scope.
 *  D2  Each patch leads from the state that the reader has, to the next: all its paths exist there.
 *  D3  A feed exists while it has readers, and ends with its scope.
 *  D4  The changes of one tick of the event loop, and of the time that the tick before it needed,
 *      go to the readers together: a write to a thousand connections costs far more than a change.
 */
import type { StateChange, Unsubscribe } from "../../actors/protocol.ts";
import { nextTurn } from "../../actors/time/soon.ts";
import { applyPatches } from "../patches/apply-patches.ts";
import type { ScopeHandle } from "../runtime/handle.ts";
import { type EventReader, frameOf, type Heartbeat } from "./event-stream.ts";
import type { Exposure } from "./exposure.ts";
import { exposedChange, pastChanges } from "./past-changes.ts";

/** Most versions that are replayed to a reader that returns. */
const REPLAY_MAX = 1_000;

/** Most bytes that wait for the end of a tick. */
const UNSENT_BYTES_MAX = 2 ** 16;

/** The feeds of a handler, by their scopes. */
export class ScopeFeeds {
  readonly #heartbeat: Heartbeat;
  readonly #feeds = new Map<string, ScopeFeed>();

  constructor(heartbeat: Heartbeat) {
    this.#heartbeat = heartbeat;
  }

  /** The stream of a new reader, which has version `since` if it has one. */
  async open(
    scope: ScopeHandle,
    exposure: Exposure,
    since: number | undefined,
  ): Promise<ReadableStream<Uint8Array>> {
    const { type, id } = scope.identity;
    const key = JSON.stringify([type, id]);
    let feed = this.#feeds.get(key);
    if (feed === undefined) {
      const made = new ScopeFeed(scope, exposure, () => {
        if (this.#feeds.get(key) === made) this.#feeds.delete(key);
      });
      this.#feeds.set(key, (feed = made));
    }
    const reader = feed.join(this.#heartbeat);
    await feed.begin(reader, since);
    return reader.stream;
  }
}

/** See the head of this file. */
class ScopeFeed {
  readonly #scope: ScopeHandle;
  readonly #exposure: Exposure;
  readonly #readers = new Set<EventReader>();
  readonly #unsubscribe: Unsubscribe;
  readonly #forgetEnd: () => void;
  readonly #ended: () => void;
  #state: object;
  #version: number;
  /** The snapshot of the present version, made when a reader needs it. */
  #snapshot: Uint8Array | null = null;
  /** Frames that the readers receive at the end of this tick. */
  #unsent: Uint8Array[] = [];
  #unsentBytes = 0;

  constructor(scope: ScopeHandle, exposure: Exposure, ended: () => void) {
    this.#scope = scope;
    this.#exposure = exposure;
    this.#ended = ended;
    this.#state = scope.state;
    this.#version = scope.version;
    this.#unsubscribe = scope.subscribe((change) => this.#take(change));
    this.#forgetEnd = scope.onEnd(() => this.#end());
  }

  /** A new reader; it receives what is announced from now on. */
  join(heartbeat: Heartbeat): EventReader {
    this.#flush();
    const reader = heartbeat.open({
      present: () => this.#present(),
      left: () => {
        this.#readers.delete(reader);
        if (this.#readers.size === 0) this.#close();
      },
    });
    this.#readers.add(reader);
    return reader;
  }

  /** Gives a reader what leads to the present version: nothing, replayed changes or a snapshot. */
  async begin(reader: EventReader, since: number | undefined): Promise<void> {
    const version = this.#version;
    if (since === version) return;
    const isKnown = since !== undefined && since < version && version - since <= REPLAY_MAX;
    if (!isKnown) return reader.prepend([this.#present()]);
    const past = await this.#replay(since, version);
    if (past === null) reader.resync();
    else reader.prepend(past);
  }

  /** The frames after `since`, up to `version`; `null` when the history does not have them all. */
  async #replay(since: number, version: number): Promise<Uint8Array[] | null> {
    const range = { after: since, before: version + 1 };
    try {
      const changes = await pastChanges(this.#scope, this.#exposure, range);
      if (changes.length !== version - since) return null;
      return changes.toReversed().map(({ change }) => changeFrame(change));
    } catch {
      return null; // A snapshot has all that a history might say.
    }
  }

  #take(change: StateChange): void {
    const isNext = change.version === this.#version + 1 && change.gap !== true;
    if (isNext && this.#follow(change)) return;
    const { version, state } = this.#scope;
    if (version === this.#version && state === this.#state) return; // The state was taken before.
    this.#set(version, state);
    this.#unsent = [];
    for (const reader of this.#readers) reader.resync();
  }

  /** Announces a change as such; false when it does not fit the state that the readers have. */
  #follow(change: StateChange): boolean {
    const { version, state } = this.#scope;
    try {
      const before = this.#state;
      const frame = changeFrame(exposedChange(change, before, this.#exposure));
      // The last one of several leads to the state of the scope, which shares its nodes.
      this.#set(
        change.version,
        version === change.version ? state : applyPatches(before, change.patches),
      );
      this.#send(frame);
      return true;
    } catch {
      return false;
    }
  }

  /** Sends a frame together with those that follow in this tick. */
  #send(frame: Uint8Array): void {
    if (this.#unsent.length === 0) {
      this.#unsentBytes = 0;
      nextTurn(() => this.#flush());
    }
    this.#unsent.push(frame);
    this.#unsentBytes += frame.byteLength;
    if (this.#unsentBytes > UNSENT_BYTES_MAX) this.#flush();
  }

  #flush(): void {
    const frames = this.#unsent;
    const [first] = frames;
    if (first === undefined) return;
    this.#unsent = [];
    const chunk = frames.length === 1 ? first : Buffer.concat(frames);
    for (const reader of this.#readers) reader.push(chunk);
  }

  #set(version: number, state: object): void {
    this.#version = version;
    this.#state = state;
    this.#snapshot = null;
  }

  #present(): Uint8Array {
    this.#flush(); // To the others; what this reader receives next follows its snapshot.
    const version = this.#version;
    if (this.#snapshot !== null) return this.#snapshot;
    const data = { version, state: this.#exposure.json(this.#state) };
    return (this.#snapshot = frameOf("snapshot", data, version));
  }

  #end(): void {
    this.#flush();
    for (const reader of this.#readers) reader.end();
    this.#close();
  }

  #close(): void {
    this.#unsubscribe();
    this.#forgetEnd();
    this.#ended();
  }
}

function changeFrame(change: { readonly version: number }): Uint8Array {
  return frameOf("change", change, change.version);
}
