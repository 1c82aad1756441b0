/** The limits of a history: which rows are kept. */
import assert from "node:assert/strict";
import type { HistoryKeep } from "../stores/contract.ts";
import { commitOk, expectStored, type SuiteCase, write } from "./suite-case.ts";
import { range, row, step, versionsOf } from "./suite-history.ts";

/** Commits after which a lowered limit is met at the latest; more than any store needs. */
const LOWERED_COMMITS = 40;

/** Claims about the limits of histories. */
export const historyLimitCases: readonly SuiteCase[] = [
  {
    name: "T9 a limit of versions keeps exactly the newest rows, also when versions were skipped",
    needs: ["history"],
    async run({ store }) {
      const keep = { versions: 3 };
      await step(store, 1, { keep });
      await step(store, 2, { keep });
      await commitOk(store, write("k", 2, { n: 9 }, { version: 9 }));
      assert.deepEqual(await versionsOf(store), [2, 1]);
      await step(store, 10, { keep });
      assert.deepEqual(await versionsOf(store), [10, 2, 1]);
      for (const version of range(11, 12)) await step(store, version, { keep });
      assert.deepEqual(await versionsOf(store), [12, 11, 10]);
      const folded = range(13, 60).map((version) => row(version));
      await step(store, 60, { keep, rows: folded });
      assert.deepEqual(await versionsOf(store), [60, 59, 58]);
    },
  },
  {
    name: "T9 a limit of time removes rows that are older",
    needs: ["history"],
    async run({ store }) {
      for (const version of range(1, 5)) await step(store, version);
      await step(store, 6, { keep: { sinceMs: row(4).at } });
      assert.deepEqual(await versionsOf(store), [6, 5, 4]);
    },
  },
  {
    name: "T9 a limit of bytes keeps the newest rows that fit, and all limits count",
    needs: ["history"],
    async run({ store }) {
      const entry = "x".repeat(98); // 100 bytes of JSON
      const keep = { bytes: 350 };
      for (const version of range(1, 6))
        await step(store, version, { keep, rows: [row(version, { entry })] });
      assert.deepEqual(await versionsOf(store), [6, 5, 4]);
      await step(store, 7, { keep: { ...keep, versions: 2 }, rows: [row(7, { entry })] });
      assert.deepEqual(await versionsOf(store), [7, 6]);
    },
  },
  {
    name: "T9 pruneHistory removes all rows that are not kept, and leaves the others as they are",
    needs: ["history", "pruneHistory"],
    async run({ store }) {
      const prune = (keep: HistoryKeep, key = "k"): Promise<number> | undefined =>
        store.pruneHistory?.(key, keep);
      for (const version of range(1, 60)) await step(store, version);
      const kept = await store.history?.("k", { after: 50 });
      assert.equal(await prune({ versions: 10 }), 50);
      assert.deepEqual(await store.history?.("k"), kept);
      assert.equal(await prune({ versions: 10 }), 0);
      assert.equal(await prune({}), 0);
      assert.equal(await prune({ sinceMs: row(58).at }), 7);
      await step(store, 61, { keep: { versions: 3 } });
      assert.deepEqual(await versionsOf(store), [61, 60, 59]);
      assert.equal(await prune({ versions: 0 }), 3);
      assert.deepEqual(await versionsOf(store), []);
      await expectStored(store, "k", 61, { n: 61 });
      for (const version of [62, 63]) await step(store, version, { keep: { versions: 1 } });
      assert.deepEqual(await versionsOf(store), [63]);
      assert.equal(await prune({ versions: 0 }, "never"), 0);
    },
  },
  {
    name: "T9 rows beyond a lowered limit are not returned for it, and go with later commits",
    needs: ["history"],
    async run({ store }) {
      for (const version of range(1, 100)) await step(store, version);
      const keep = { versions: 5 };
      assert.deepEqual(await versionsOf(store, { keep }), range(96, 100).toReversed());
      const oldest = { keep, oldestFirst: true, limit: 1 };
      assert.deepEqual(await versionsOf(store, oldest), [96]);
      assert.deepEqual(await versionsOf(store, { keep, before: 96 }), []);
      for (const version of range(101, 100 + LOWERED_COMMITS)) await step(store, version, { keep });
      const last = 100 + LOWERED_COMMITS;
      assert.deepEqual(await versionsOf(store), range(last - 4, last).toReversed());
    },
  },
];
