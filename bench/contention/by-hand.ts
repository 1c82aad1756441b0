/** Competitors that load and save records by hand, the same on every server. */
import { setTimeout as sleep } from "node:timers/promises";
import { Mutex } from "async-mutex";
import { createCounter } from "./bare.ts";
import { GaveUp, type Competitor } from "./competitor.ts";
import { backOff, naiveCas } from "./competitors.ts";
import { recordsAt } from "./records.ts";
import type { Records } from "./rows.ts";

interface Count {
  readonly n: number;
}

/** The increment of one counter. */
export type Increment = (key: string, index: number) => Promise<unknown>;

/** A competitor on records; `make` gets them ready, all at 0. */
function onRecords(
  name: string,
  make: (records: Records, count: number) => Increment,
  losesUpdates = false,
): Competitor {
  return {
    name,
    losesUpdates,
    open: async ({ site }, count) => {
      const records = await recordsAt(site);
      const keys = Array.from({ length: count }, (_, index) => `counter-${index}`);
      await records.create(keys, '{"n":0}');
      const increment = make(records, count);
      return {
        increment: (index) => increment(keys[index] ?? "", index),
        total: async () => {
          await records.close();
          return storedTotal(await recordsAt(site), keys);
        },
      };
    },
  };
}

async function storedTotal(records: Records, keys: readonly string[]): Promise<number> {
  const rows = await Promise.all(keys.map((key) => records.read(key)));
  await records.close();
  return rows.reduce((sum, { text }) => sum + countIn(text), 0);
}

/** The count of a record, which is a counter or the persisted snapshot of one. */
function countIn(text: string): number {
  // Only the competitors of this file wrote it.
  const saved = JSON.parse(text) as Count | { readonly context: Count };
  return "context" in saved ? saved.context.n : saved.n;
}

function oneMore(text: string): string {
  return JSON.stringify({ n: countIn(text) + 1 });
}

/** One attempt: true when no other writer came between. */
async function tryOnce(records: Records, key: string): Promise<boolean> {
  const { version, text } = await records.read(key);
  return records.replace(key, version, oneMore(text));
}

/** The usual loop: load, save by version, and wait 10, 20 and 40 ms after a conflict. */
export async function incrementNaively(records: Records, key: string): Promise<void> {
  for (let attempt = 0; !(await tryOnce(records, key)); attempt++) await backOff(attempt);
}

/** That loop as a competitor. */
export const naiveByHand: Competitor = onRecords(
  naiveCas.name,
  (records) => (key) => incrementNaively(records, key),
);

const LONGEST_WAIT_MS = 100;

/** The same without an end, its waits random up to 10, 20, 40 … 100 ms. */
export const stubbornByHand: Competitor = onRecords(
  "CAS until it wins, full jitter",
  (records) => async (key) => {
    for (
      let limit = 10;
      !(await tryOnce(records, key));
      limit = Math.min(limit * 2, LONGEST_WAIT_MS)
    )
      await sleep(Math.random() * limit);
  },
);

/** Load and save under a mutex of the counter. */
export const mutexByHand: Competitor = onRecords("async-mutex, load + save", (records, count) => {
  const locks = Array.from({ length: count }, () => new Mutex());
  return async (key, index) =>
    locks[index]?.runExclusive(async () => {
      if (!(await tryOnce(records, key))) throw new GaveUp();
    });
});

/** One XState actor per counter; its snapshots are saved one after the other, each of them. */
export const xstateByHand: Competitor = onRecords(
  "XState actor, each snapshot saved",
  (records, count) => {
    const counters = Array.from({ length: count }, () => ({
      add: createCounter(),
      saved: Promise.resolve(),
    }));
    return async (key, index) => {
      const entry = counters[index];
      if (entry === undefined) throw new Error("no such counter");
      const snapshot = entry.add();
      // In order: with a pool of connections an older snapshot could overtake a newer one.
      entry.saved = entry.saved.then(() => records.overwrite(key, snapshot));
      return entry.saved;
    };
  },
);

/** Load, change, save. */
export const unlockedByHand: Competitor = onRecords(
  "load, then save, no lock",
  (records) => async (key) => {
    const { text } = await records.read(key);
    await records.overwrite(key, oneMore(text));
  },
  true,
);
