/**
 * How many scopes there are, by kind: counted in the background while the inspector is open.
 *
 *  C1  At most a tenth of the time is spent on counting: after a count of 1 s comes a rest of 9 s.
 *  C2  The counts of the last complete count are shown until the next one is complete.
 */
import { listSource } from "../../runtime/read-many.ts";
import { decodeKey, keyPrefix } from "../../runtime/scope-key.ts";
import type { StatsSource } from "../../runtime/stats.ts";
import type { Counts } from "./wire.ts";

/** Scopes after which the first count is shown as far as it is. */
const SHOWN_EACH = 1_000;
/** Milliseconds between two counts, at least. */
const REST_MS = 1_000;
const SHARE = 9;

/** Counts the scopes of a runtime, by what it is read from; see the head of this file. */
export class ScopeCounts {
  counts: Counts = { kinds: [], complete: false };
  readonly #inside: StatsSource;
  #next = 0;
  #isCounting = false;

  constructor(inside: StatsSource) {
    this.#inside = inside;
  }

  /** Counts if it is time; rejects as the store does. */
  async look(): Promise<void> {
    if (this.#isCounting || performance.now() < this.#next) return;
    this.#isCounting = true;
    const began = performance.now();
    try {
      await this.#count();
    } finally {
      this.#isCounting = false;
      const tookMs = performance.now() - began;
      this.#next = performance.now() + Math.max(REST_MS, tookMs * SHARE);
    }
  }

  async #count(): Promise<void> {
    const { stores, unstored, namespace } = listSource(this.#inside);
    const found = new Map<string, number>();
    const add = (key: string): void => {
      const type = decodeKey(key)?.type;
      if (type !== undefined) found.set(type, (found.get(type) ?? 0) + 1);
    };
    for (const [key, isLiving] of unstored) if (isLiving) add(key);
    let looked = 0;
    for (const store of stores)
      for await (const key of store.list({ prefix: keyPrefix(namespace) })) {
        if (!unstored.has(key)) add(key);
        looked += 1;
        if (looked % SHOWN_EACH === 0 && !this.counts.complete)
          this.counts = countsOf(found, false);
      }
    this.counts = countsOf(found, true);
  }
}

function countsOf(found: ReadonlyMap<string, number>, complete: boolean): Counts {
  return { kinds: [...found].map(([type, count]) => ({ type, count })), complete };
}
