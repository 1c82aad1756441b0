/** T1 and T3: a write takes effect at exactly one version, and versions never decrease. */
import assert from "node:assert/strict";
import {
  commitOk,
  commitOne,
  expectConflict,
  expectStored,
  loadOne,
  type SuiteCase,
  write,
} from "./suite-case.ts";

const RACERS = 20;

/** Claims about versions. */
export const versionCases: readonly SuiteCase[] = [
  {
    name: "T1 an absent key loads as undefined, in the order of the keys",
    async run({ store }) {
      await commitOk(store, write("b", 0, { n: 1 }));
      const [first, second, third, fourth] = await store.load(["a", "b", "c", "b"]);
      assert.deepEqual([first, third], [undefined, undefined]);
      assert.deepEqual([second?.version, fourth?.version], [1, 1]);
      assert.deepEqual(await store.load([]), []);
    },
  },
  {
    name: "T1 a write at the stored version takes effect",
    async run({ store }) {
      await commitOk(store, write("k", 0, { n: 1 }));
      await commitOk(store, write("k", 1, { n: 2 }));
      await expectStored(store, "k", 2, { n: 2 });
    },
  },
  {
    name: "T1 a stale write is a conflict with the stored record, and changes nothing",
    async run({ store }) {
      await commitOk(store, write("k", 0, { n: 1 }, { version: 5 }));
      for (const expected of [0, 1, 4, 6, 1000]) {
        const result = await commitOne(store, write("k", expected, { n: 9 }));
        expectConflict(result, 5, { n: 1 });
      }
      await expectStored(store, "k", 5, { n: 1 });
    },
  },
  {
    name: "T1 a write to an absent key expecting a version is a conflict without a record",
    async run({ store }) {
      expectConflict(await commitOne(store, write("k", 3, { n: 1 })), 0, undefined);
      assert.equal(await loadOne(store, "k"), undefined);
    },
  },
  {
    name: "T1 exactly one of many concurrent creates wins",
    async run({ store }) {
      const results = await Promise.all(
        Array.from({ length: RACERS }, (_, racer) => commitOne(store, write("k", 0, { racer }))),
      );
      const winners = results.flatMap((result, racer) => (result.ok ? [racer] : []));
      assert.equal(winners.length, 1);
      await expectStored(store, "k", 1, { racer: winners[0] ?? -1 });
    },
  },
  {
    name: "T1 exactly one of many concurrent updates wins",
    async run({ store }) {
      await commitOk(store, write("k", 0, { racer: -1 }));
      const results = await Promise.all(
        Array.from({ length: RACERS }, (_, racer) => commitOne(store, write("k", 1, { racer }))),
      );
      assert.equal(results.filter((result) => result.ok).length, 1);
      assert.equal((await loadOne(store, "k"))?.version, 2);
    },
  },
  {
    name: "T1 versions may leave gaps and be large",
    async run({ store }) {
      const high = 2 ** 50;
      await commitOk(store, write("k", 0, { n: 1 }, { version: 7 }));
      await commitOk(store, write("k", 7, { n: 2 }, { version: high }));
      await commitOk(store, write("k", high, { n: 3 }));
      await expectStored(store, "k", high + 1, { n: 3 });
    },
  },
  {
    name: "T3 a delete leaves a tombstone of its version",
    async run({ store }) {
      await commitOk(store, write("k", 0, { n: 1 }));
      await commitOk(store, write("k", 1, undefined));
      await expectStored(store, "k", 2, undefined);
      expectConflict(await commitOne(store, write("k", 0, { n: 9 })), 2, undefined);
      expectConflict(await commitOne(store, write("k", 1, { n: 9 })), 2, undefined);
    },
  },
  {
    name: "T3 a re-created record continues from its tombstone, so an old writer cannot match",
    async run({ store }) {
      await commitOk(store, write("k", 0, { n: 1 }));
      await commitOk(store, write("k", 1, undefined));
      await commitOk(store, write("k", 2, { n: 1 }));
      expectConflict(await commitOne(store, write("k", 1, { n: 9 })), 3, { n: 1 });
      await expectStored(store, "k", 3, { n: 1 });
    },
  },
  {
    name: "T3 a tombstone can be deleted again, and a key that never was can be deleted",
    async run({ store }) {
      await commitOk(store, write("k", 0, undefined));
      await commitOk(store, write("k", 1, undefined));
      await expectStored(store, "k", 2, undefined);
    },
  },
  {
    name: "T2 an acknowledged write is there after closing and opening again",
    needs: ["durable", "reopen"],
    async run({ store, reopen }) {
      await commitOk(store, write("a", 0, { n: 1 }));
      await commitOk(store, write("b", 0, { n: 1 }));
      await commitOk(store, write("b", 1, undefined));
      await store.close();
      const later = await reopen();
      await expectStored(later, "a", 1, { n: 1 });
      await expectStored(later, "b", 2, undefined);
      expectConflict(await commitOne(later, write("a", 0, { n: 9 })), 1, { n: 1 });
      await commitOk(later, write("b", 2, { n: 2 }));
    },
  },
];
