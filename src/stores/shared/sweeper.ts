/**
 * Removes what a store keeps no longer: tombstones whose time is over.
 *
 * Invariants
 *  S1  Only use of the store starts a sweep: a store that is not used does nothing, and no timer
 *      here keeps a process alive.
 *  S2  A sweep is made of bounded batches. The loop turns between them, and sweeps are at least
 *      `PAUSE_MS` and four times their own length apart.
 *  S3  A sweep fails no call. What it could not remove the next one removes.
 */
import { performance } from "node:perf_hooks";
import { clearTimeout, setTimeout } from "node:timers";
import type { Clock } from "../../../actors/protocol.ts";

/** A store that was just opened is left alone for so long, and so is one that was just swept. */
const PAUSE_MS = 1_000;
/** Between two sweeps passes so many times the length of the first. */
const SHARE = 4;
/** Until the next try after a sweep that failed. */
const FAILED_MS = 60_000;
/** What other owners leave behind is looked for so often, by the store's clock. */
const LOOK_MS = 60_000;

/** What a sweeper works on. */
export interface SweepPort {
  /** The store's clock. */
  readonly clock: Pick<Clock, "now">;
  /**
   * Removes a bounded part of what is over; resolves to when the next is over, of `clock`: in the
   * past when there is more now, `Infinity` when nothing waits.
   */
  readonly sweep: () => Promise<number>;
  /** Other owners may leave something behind. */
  readonly isShared: boolean;
}

/** Sweeps one store; see the head of this file. */
export class Sweeper {
  readonly #port: SweepPort;
  /** When there is something to remove, of the store's clock. */
  #due = -Infinity;
  /** No sweep before that, of `performance.now()`. */
  #rest: number = performance.now() + PAUSE_MS;
  #timer: NodeJS.Timeout | undefined;
  #isSweeping = false;
  #isOver = false;

  constructor(port: SweepPort) {
    this.#port = port;
  }

  /** The store is used. */
  used(): void {
    if (this.#isSweeping || this.#isOver || this.#timer !== undefined) return;
    if (this.#port.clock.now() < this.#due) return;
    const waitMs = Math.max(1, this.#rest - performance.now());
    this.#timer = setTimeout(() => void this.#sweep(), waitMs).unref();
  }

  /** A record was written of which nothing has to be kept from `at` on; `undefined`: it stays. */
  leaves(at: number | undefined): void {
    if (at !== undefined && at < this.#due) this.#due = at;
  }

  /** No sweep begins any more. */
  stop(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
  }

  async #sweep(): Promise<void> {
    this.#timer = undefined;
    this.#isSweeping = true;
    const began = performance.now();
    const { clock, isShared, sweep } = this.#port;
    this.#due = isShared ? clock.now() + LOOK_MS : Infinity; // What is left meanwhile is earlier.
    let failedMs = 0;
    try {
      let next = -Infinity;
      while (next <= clock.now() && !this.#isOver) {
        next = await sweep();
        await new Promise<void>((resolve) => {
          setTimeout(resolve, 1).unref();
        });
      }
      this.leaves(next);
    } catch {
      this.leaves(clock.now());
      failedMs = FAILED_MS;
    }
    const ended = performance.now();
    this.#rest = ended + Math.max(PAUSE_MS, failedMs, (ended - began) * SHARE);
    this.#isSweeping = false;
  }
}
