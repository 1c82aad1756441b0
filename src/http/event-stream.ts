/**
 * Server-sent events for many readers: each event is encoded once, and each reader takes it at its
 * own pace.
 *
 *  V1  A reader buffers at most `READER_BYTES_MAX` bytes, of frames that all readers share. One
 *      that falls behind loses its buffer and receives one frame of the present state in its
 *      place, as soon as it reads, and then what follows that. A source without a present state is
 *      asked for each frame instead, when all before it have been read.
 *  V2  Frames come in the order in which they were pushed, each once.
 *  V3  An ended stream gives what it has buffered, then closes. A reader that leaves frees all.
 */
import type { Clock } from "../../actors/protocol.ts";

/** Most bytes that wait for one reader. */
export const READER_BYTES_MAX: number = 2 ** 18;

/** Bytes that are joined to one chunk: a copy, which is not shared with other readers. */
const CHUNK_BYTES = 2 ** 15;

/** A comment: it keeps a connection open and is no event. */
const COMMENT: Uint8Array = new TextEncoder().encode(":\n\n");

/** An event in the form of the stream. */
export function frameOf(event: string, data: unknown, id?: number): Uint8Array {
  const head = id === undefined ? "" : `id: ${id}\n`;
  return new TextEncoder().encode(`${head}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
}

/** The response with a stream of events. */
export function eventResponse(body: ReadableStream<Uint8Array>): Response {
  return new Response(body, {
    headers: {
      "content-type": "text/event-stream",
      "cache-control": "no-store, no-transform",
      "x-accel-buffering": "no",
      "x-content-type-options": "nosniff",
    },
  });
}

/** What a reader uses of its source, which has one of `present` and `more`. */
export interface EventSourcePort {
  /** The frame for a reader that is behind. */
  readonly present?: () => Uint8Array;
  /** All that was pushed has been read, and more is wanted; not called again before a push. */
  readonly more?: () => void;
  /** The reader has left; called once. */
  readonly left: () => void;
}

/** One reader of a stream; see the head of this file. */
export class EventReader {
  readonly stream: ReadableStream<Uint8Array>;
  readonly #port: EventSourcePort;
  #controller: ReadableStreamDefaultController<Uint8Array> | null = null;
  /** The first bytes make the headers leave, also when no event follows. */
  #frames: Uint8Array[] = [COMMENT];
  #size = COMMENT.byteLength;
  #isBehind = false;
  #isWanted = false;
  /** The source was asked for more, and has not pushed it. */
  #isAsked = false;
  #hasEnded = false;

  constructor(port: EventSourcePort) {
    this.#port = port;
    this.stream = new ReadableStream<Uint8Array>(
      {
        start: (controller) => void (this.#controller = controller),
        pull: () => {
          this.#isWanted = true;
          this.#give();
          this.#ask();
        },
        cancel: () => this.leave(),
      },
      { highWaterMark: 0 },
    );
  }

  /** Frames that come before all that were pushed. */
  prepend(frames: readonly Uint8Array[]): void {
    if (this.#isBehind) return; // The present state has them.
    this.#frames.splice(1, 0, ...frames);
    this.#grown(frames.reduce((size, { byteLength }) => size + byteLength, 0));
  }

  /** One more frame. */
  push(frame: Uint8Array): void {
    if (this.#isBehind || this.#hasEnded) return; // The present frame is made when it is read.
    this.#isAsked = false;
    this.#frames.push(frame);
    this.#grown(frame.byteLength);
    this.#give();
  }

  /** What was pushed is replaced by one frame of the present state. */
  resync(): void {
    this.#frames = [];
    this.#size = 0;
    this.#isBehind = true;
    this.#give();
  }

  /** Sends a comment to a reader that waits. */
  beat(): void {
    if (!this.#isWanted || this.#hasEnded) return;
    this.#frames.push(COMMENT);
    this.#size += COMMENT.byteLength;
    this.#give();
  }

  /** Nothing more follows (V3). */
  end(): void {
    this.#hasEnded = true;
    this.#give();
  }

  /** The source failed: the stream breaks off. */
  fail(error: unknown): void {
    this.#controller?.error(error);
    this.leave();
  }

  /** The reader left, or is dropped. */
  leave(): void {
    if (this.#controller === null) return;
    this.#controller = null;
    this.#frames = [];
    this.#port.left();
  }

  #grown(bytes: number): void {
    this.#size += bytes;
    // A frame alone may be larger: it is sent at once, or replaced by the state.
    const isTooMuch = this.#size > READER_BYTES_MAX && !this.#isWanted;
    if (isTooMuch && this.#port.present !== undefined) this.resync();
  }

  #ask(): void {
    if (!this.#isWanted || this.#isAsked || this.#hasEnded) return;
    this.#isAsked = true;
    this.#port.more?.();
  }

  #give(): void {
    const controller = this.#controller;
    if (controller === null) return;
    if (this.#isWanted) {
      const chunk = this.#taken();
      if (chunk !== null) {
        this.#isWanted = false;
        controller.enqueue(chunk);
      }
    }
    if (!this.#hasEnded || this.#isBehind || this.#frames.length > 0) return;
    controller.close();
    this.leave();
  }

  /** What waits, as one chunk; large ones are sent by themselves. */
  #taken(): Uint8Array | null {
    if (this.#isBehind && this.#port.present !== undefined) {
      const present = this.#port.present(); // What is pushed meanwhile is in it.
      this.#isBehind = false;
      return present;
    }
    let count = 0;
    let bytes = 0;
    for (const { byteLength } of this.#frames) {
      if (count > 0 && bytes + byteLength > CHUNK_BYTES) break;
      count += 1;
      bytes += byteLength;
    }
    const frames = this.#frames.splice(0, count);
    this.#size -= bytes;
    return frames.length > 1 ? Buffer.concat(frames) : (frames[0] ?? null);
  }
}

/** Sends comments to readers, so that no proxy takes their connections for dead. */
export class Heartbeat {
  readonly #readers = new Set<EventReader>();
  readonly #clock: Clock;
  readonly #everyMs: number;
  #timer: unknown = null;

  constructor(clock: Clock, everyMs: number) {
    this.#clock = clock;
    this.#everyMs = everyMs;
  }

  /** A new reader, which receives comments until it leaves. */
  open(port: EventSourcePort): EventReader {
    const left = (): void => {
      this.#remove(reader);
      port.left();
    };
    const reader: EventReader = new EventReader({ ...port, left });
    this.#readers.add(reader);
    if (this.#timer === null) this.#wait();
    return reader;
  }

  #remove(reader: EventReader): void {
    this.#readers.delete(reader);
    if (this.#readers.size > 0 || this.#timer === null) return;
    this.#clock.clearTimeout(this.#timer);
    this.#timer = null;
  }

  #wait(): void {
    this.#timer = this.#clock.setTimeout(() => {
      this.#timer = null;
      for (const reader of this.#readers) reader.beat();
      if (this.#readers.size > 0) this.#wait();
    }, this.#everyMs);
    const timer = Object(this.#timer);
    if (typeof timer.unref === "function") timer.unref(); // The connections keep the process.
  }
}
