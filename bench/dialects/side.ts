/**
 * The one kind of work all dialects do, in their own words: a turn that reads a number from a
 * document, lets others run, and stores the number plus one.
 */
import { setImmediate as others } from "node:timers/promises";
import type { Contender } from "../support.ts";

/** A document whose field `n` is counted up. */
export interface Counted extends Record<string, unknown> {
  readonly n: number;
}

/** One document, kept the way of a dialect or of its original. */
export interface Kept {
  /** One turn; awaits `pause` between reading and writing. */
  readonly turn: (pause: () => Promise<unknown> | undefined) => Promise<unknown>;
  /** The number that is stored. */
  readonly count: () => Promise<number>;
  readonly close?: () => Promise<unknown>;
}

/** A dialect, or its original. */
export interface Side {
  readonly name: string;
  /** Stores the document and makes it ready for turns. */
  readonly open: (document: Counted) => Kept | Promise<Kept>;
}

/** Those who do the same work: the original, which is the base, and this library. */
export interface Match {
  readonly dialect: string;
  readonly original: Side;
  readonly ours: readonly Side[];
  /** What the original is, where that needs saying. */
  readonly note?: string;
}

/** How many increments were lost in the worst round. */
export interface Losses {
  lost: number;
}

/** Ten fields. */
export function smallDocument(): Counted {
  const fields = Array.from({ length: 9 }, (_, at) => [`field${at}`, `value ${at}`]);
  return { n: 0, ...Object.fromEntries(fields) };
}

/** About 100 KB of JSON: a thousand items on a list. */
export function largeDocument(): Counted {
  const items = Array.from({ length: 1000 }, (_, id) => ({ id, text: `${id} `.padEnd(80, "x") }));
  return { n: 0, items };
}

/** Turns all in flight at once; a side may lose some, which is counted, but not more than all. */
export function atOnce(side: Side, turns: number, losses: Losses): Contender {
  return running(side, smallDocument, {
    run: (kept) => Promise.all(Array.from({ length: turns }, () => kept.turn(() => others()))),
    check(count) {
      losses.lost = Math.max(losses.lost, turns - count);
      return count > 0 && count <= turns;
    },
  });
}

/** Turns one after the other, each awaited; all must count. */
export function inTurn(side: Side, turns: number, document: () => Counted): Contender {
  return running(side, document, {
    async run(kept) {
      for (let turn = 0; turn < turns; turn++) await kept.turn(() => undefined);
    },
    check: (count) => count === turns,
  });
}

function running(
  side: Side,
  document: () => Counted,
  work: { run: (kept: Kept) => Promise<unknown>; check: (count: number) => boolean },
): Contender {
  return {
    name: side.name,
    async prepare() {
      const kept = await side.open(document());
      return {
        run: () => work.run(kept),
        async check() {
          const count = await kept.count();
          await kept.close?.();
          return work.check(count);
        },
      };
    },
  };
}
