/**
 * A store keeps the same rows as the memory store, whatever is written under which limits. It knows
 * no backend.
 */
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type {
  HistoryKeep,
  HistoryQuery,
  HistoryRow,
  ScopeWrite,
  StateStore,
} from "../../src/stores/contract.ts";
import { memoryStore } from "../../src/stores/memory/store.ts";
import { characters, propertyRuns } from "../support/state-value.ts";

/** How the suite reaches a store. */
export interface HistoryStores {
  readonly name: string;
  /** A store on the same data each time. */
  open(): StateStore | Promise<StateStore>;
}

/** A run is two dozen commits with a few reads after each. */
const RUNS = Math.ceil(propertyRuns / 12);
const STEPS_MAX = 25;
const TIMEOUT_MS = 300_000;
/** Enough for a row of its own page in a list of Redis. */
const LONG = "x".repeat(9_000);

const limit = fc.option(fc.integer({ min: 1, max: 8 }), { nil: undefined, freq: 2 });
const keeps: fc.Arbitrary<HistoryKeep> = fc.record({
  versions: limit,
  sinceMs: fc.option(fc.nat(60), { nil: undefined, freq: 2 }),
  bytes: fc.option(fc.nat(200), { nil: undefined, freq: 2 }),
});
const versions = fc.option(fc.nat(60), { nil: undefined });
const queries: fc.Arbitrary<HistoryQuery> = fc.record({
  before: versions,
  after: versions,
  limit: fc.option(fc.integer({ min: 1, max: 5 }), { nil: undefined }),
  oldestFirst: fc.boolean(),
  keep: fc.option(keeps, { nil: undefined }),
});
const text = fc.oneof(
  { weight: 8, arbitrary: fc.string({ maxLength: 30, unit: characters }) },
  { weight: 1, arbitrary: fc.constant(LONG) },
);
/** What a row has beside its version; its time may be before that of the row before. */
const parts = fc.record({ back: fc.nat(3), entry: text, state: fc.option(text) });

interface Step {
  readonly how: "add" | "fresh" | "without" | "delete";
  /** So many versions are passed over. */
  readonly skip: number;
  readonly parts: readonly { back: number; entry: string; state: string | null }[];
  readonly keep: HistoryKeep;
  readonly byOther: boolean;
  /** Afterwards all rows that this does not keep are removed. */
  readonly prune: HistoryKeep | null;
  readonly query: HistoryQuery;
}

const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.record({
    how: fc.oneof(
      { weight: 12, arbitrary: fc.constant("add" as const) },
      { weight: 1, arbitrary: fc.constantFrom("fresh" as const, "delete" as const) },
      { weight: 1, arbitrary: fc.constant("without" as const) },
    ),
    skip: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.nat(2)),
    parts: fc.array(parts, { minLength: 1, maxLength: 25, size: "small" }),
    keep: fc.oneof({ weight: 1, arbitrary: fc.constant({}) }, { weight: 2, arbitrary: keeps }),
    byOther: fc.boolean(),
    prune: fc.option(keeps, { nil: null, freq: 1 }),
    query: queries,
  }),
  { minLength: 1, maxLength: STEPS_MAX },
);

/** What a step finds. */
interface Found {
  readonly key: string;
  readonly version: number;
  readonly isAlive: boolean;
  /** Filler of its states; long in a large record, which is changed by patches. */
  readonly pad: string;
}

/** The write of a step. */
function writeOf({ key, version: before, isAlive, pad }: Found, step: Step): ScopeWrite {
  const from = before + step.skip;
  const add = step.parts.map(({ back, entry, state }, at): HistoryRow => {
    const version = from + at + 1;
    const row = { version, at: Math.max(0, version - back), entry };
    return state === null ? row : { ...row, state };
  });
  const version = from + add.length;
  if (step.how === "delete") return { key, expectedVersion: before, version, state: undefined };
  const patches = [{ op: "replace" as const, path: ["version"], value: version }];
  const write = {
    key,
    expectedVersion: before,
    version,
    state: { version, pad },
    patches: isAlive ? patches : undefined,
  };
  if (step.how === "without") return write;
  const fresh = step.how === "fresh" ? (true as const) : undefined;
  return { ...write, history: { add, keep: step.keep, fresh } };
}

/** Registers the property for one store. */
export function describeHistoryRows(stores: HistoryStores): void {
  describe(`the history rows of ${stores.name}`, () => {
    let pair: readonly [StateStore, StateStore] | undefined;
    const model = memoryStore();
    let runs = 0;
    beforeAll(async () => {
      pair = [await stores.open(), await stores.open()];
    });
    afterAll(async () => {
      for (const store of pair ?? []) await store.close();
    });

    it("are those of the memory store", { timeout: TIMEOUT_MS }, async () => {
      const [mine, other] = pair ?? expect.fail("no stores");
      await fc.assert(
        fc.asyncProperty(fc.constantFrom("", LONG), steps, async (pad, all) => {
          runs += 1;
          const key = `run${runs}`;
          let found: Found = { key, version: 0, isAlive: false, pad };
          for (const step of all) {
            const write = writeOf(found, step);
            const results = await (step.byOther ? other : mine).commit([write]);
            expect(results).toEqual([{ ok: true, version: write.version }]);
            await model.commit([write]);
            if (step.prune !== null)
              expect(await mine.pruneHistory?.(key, step.prune)).toBe(
                await model.pruneHistory?.(key, step.prune),
              );
            found = { key, version: write.version, isAlive: write.state !== undefined, pad };
            for (const query of [{}, step.query, { ...step.query, keep: step.keep }])
              expect(await mine.history?.(key, query)).toEqual(await model.history?.(key, query));
          }
        }),
        { numRuns: RUNS },
      );
    });
  });
}
