/** How long calls took in the last minute, as counts in buckets. */
import type { Latency } from "./wire.ts";

/** Upper limits in milliseconds. */
const LIMITS: readonly number[] = [
  0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000,
];
/** The minute is made of slots; the oldest is dropped when the next one begins. */
const SLOTS = 6;
const SLOT_MS = 10_000;

/** See the head of this file. */
export class LatencyWindow {
  #slots: number[][] = [newSlot()];
  #began: number = performance.now();

  /** Counts one call. */
  add(tookMs: number): void {
    const at = LIMITS.findIndex((limit) => tookMs <= limit);
    const slot = this.#present();
    const bucket = at === -1 ? LIMITS.length : at;
    slot[bucket] = (slot[bucket] ?? 0) + 1;
  }

  /** The counts of the last minute. */
  get counts(): Latency {
    this.#present();
    const sums = newSlot().map((_, at) =>
      this.#slots.reduce((sum, slot) => sum + (slot[at] ?? 0), 0),
    );
    return { limits: LIMITS, counts: sums };
  }

  #present(): number[] {
    const passed = Math.floor((performance.now() - this.#began) / SLOT_MS);
    if (passed > 0) {
      this.#began += passed * SLOT_MS;
      const fresh = Array.from({ length: Math.min(passed, SLOTS) }, newSlot);
      this.#slots = [...this.#slots, ...fresh].slice(-SLOTS);
    }
    return this.#slots.at(-1) ?? newSlot();
  }
}

function newSlot(): number[] {
  return Array.from({ length: LIMITS.length + 1 }, () => 0);
}
