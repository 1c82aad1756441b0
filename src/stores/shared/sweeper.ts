/**
 * Removes tombstones that have expired.
 *
 * Invariants
 *  S1  Only use of the store starts a sweep: a store that is not used does nothing, and no timer
 *      here keeps a process alive.
 *  S2  A sweep is made of bounded batches. The event loop runs between them, and sweeps are at
 *      least `PAUSE_MS` and four times their own length apart.
 *  S3  A sweep fails no call. The next sweep removes what a failed one did not.
 */
import { performance } from "node:perf_hooks";
import { clearTimeout, setTimeout } from "node:timers";
import type { Clock } from "../../../actors/protocol.ts";

/** The pause after the store was opened, and after a sweep; milliseconds. */
const PAUSE_MS = 1_000;
/** The pause between two sweeps, as a multiple of the length of the first. */
const SHARE = 4;
/** The pause after a sweep that failed; milliseconds. */
const FAILED_MS = 60_000;
/** How often it checks for tombstones of other owners, by the store's clock; milliseconds. */
const LOOK_MS = 60_000;

/** The store that a sweeper works on. */
export interface SweepPort {
  /** The store's clock. */
  readonly clock: Pick<Clock, "now">;
  /**
   * Removes a bounded batch of expired tombstones. Resolves to when the next one expires, by
   * `clock`: in the past when there is more now, `Infinity` when there is none.
   */
  readonly sweep: () => Promise<number>;
  /** Other owners may write tombstones. */
  readonly isShared: boolean;
}

/** Sweeps one store; see the header of this file. */
export class Sweeper {
  readonly #port: SweepPort;
  /** When there is something to remove, by the store's clock. */
  #due = -Infinity;
  /** No sweep before that, by `performance.now()`. */
  #rest: number = performance.now() + PAUSE_MS;
  #timer: NodeJS.Timeout | undefined;
  #isSweeping = false;
  #isOver = false;

  constructor(port: SweepPort) {
    this.#port = port;
  }

  /** Call it at each use of the store; `now` is the time of its clock. */
  used(now: number = this.#port.clock.now()): void {
    if (now < this.#due || this.#isSweeping || this.#isOver || this.#timer !== undefined) return;
    const waitMs = Math.max(1, this.#rest - performance.now());
    this.#timer = setTimeout(() => void this.#sweep(), waitMs).unref();
  }

  /** A record was written that can be removed from `at` on; `undefined`: it stays. */
  leaves(at: number | undefined): void {
    if (at !== undefined && at < this.#due) this.#due = at;
  }

  /** Starts no more sweeps. */
  stop(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
  }

  async #sweep(): Promise<void> {
    this.#timer = undefined;
    this.#isSweeping = true;
    const began = performance.now();
    const { clock, isShared, sweep } = this.#port;
    this.#due = isShared ? clock.now() + LOOK_MS : Infinity; // Later tombstones lower it.
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
