/**
 * What the page receives each second, as server-sent events: counters, counts and latencies. The
 * channels are subscribed, and scopes are counted, while at least one page is open.
 */
import { isHoldfastError } from "../../../actors/errors.ts";
import type { Logger } from "../../../actors/protocol.ts";
import { statsOf } from "../../runtime/stats.ts";
import { EventReader, eventResponse, frameOf } from "../event-stream.ts";
import { ScopeCounts } from "./counts.ts";
import type { Inspected } from "./source.ts";
import { Traces } from "./traces.ts";
import type { Tick } from "./wire.ts";

/** Milliseconds between two events. */
const EVERY_MS = 1_000;

/** See the head of this file. */
export class LiveView {
  readonly traces: Traces;
  readonly #inspected: Inspected;
  readonly #counts: ScopeCounts;
  readonly #logger: Logger;
  readonly #readers = new Set<EventReader>();
  #timer: ReturnType<typeof setInterval> | null = null;

  constructor(inspected: Inspected, logger: Logger) {
    const { inside } = inspected;
    this.#inspected = inspected;
    this.#logger = logger;
    this.#counts = new ScopeCounts(inside);
    this.traces = new Traces(
      (identity) =>
        inside.system.find(inside.key(identity.type, identity.id))?.identity === identity,
    );
  }

  /** A new reader. */
  open(): Response {
    const reader: EventReader = new EventReader({
      present: () => this.#frame(),
      left: () => this.#leave(reader),
    });
    this.#readers.add(reader);
    this.traces.begin();
    // The connections of its readers keep a process, not this timer.
    this.#timer ??= setInterval(() => this.#tick(), EVERY_MS).unref();
    reader.push(this.#frame());
    this.#tick();
    return eventResponse(reader.stream);
  }

  #tick(): void {
    this.#counts.look().catch((error: unknown) => {
      if (!isHoldfastError(error, "STORE_CLOSED"))
        return this.#logger.warn("the scopes could not be counted", { error });
      for (const reader of this.#readers) reader.end();
    });
    const frame = this.#frame();
    for (const reader of this.#readers) reader.push(frame);
  }

  #frame(): Uint8Array {
    const tick: Tick = {
      at: Date.now(),
      stats: statsOf(this.#inspected.inside),
      counts: this.#counts.counts,
      latency: this.traces.latency.counts,
    };
    return frameOf("tick", tick);
  }

  #leave(reader: EventReader): void {
    this.#readers.delete(reader);
    if (this.#readers.size > 0 || this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
    this.traces.end();
  }
}
