/** T4 and T6: the effect of one write of a batch on the others. */
import assert from "node:assert/strict";
import type { Json } from "../../actors/protocol.ts";
import {
  commitOk,
  commitOne,
  expectConflict,
  expectStored,
  loadOne,
  type SuiteCase,
  write,
} from "./suite-case.ts";

const MANY = 300;

/** A value that the types forbid and JSON cannot represent. */
function cyclic(): Json {
  const loop: Record<string, unknown> = {};
  loop["self"] = loop;
  // Not JSON on purpose: the store must refuse it.
  return loop as Json;
}

/** Claims about batches. */
export const batchCases: readonly SuiteCase[] = [
  {
    name: "T4 an empty batch has no results",
    async run({ store }) {
      assert.deepEqual(await store.commit([]), []);
    },
  },
  {
    name: "T4 one conflict among many stands alone",
    async run({ store }) {
      const keys = Array.from({ length: MANY }, (_, at) => `k${at}`);
      await commitOk(store, write("k7", 0, { n: "first" }));
      const results = await store.commit(keys.map((key) => write(key, 0, { key })));
      assert.equal(results.length, MANY);
      expectConflict(results[7], 1, { n: "first" });
      assert.equal(results.filter((result) => result.ok).length, MANY - 1);
      const records = await store.load(keys);
      for (const [at, record] of records.entries())
        assert.deepEqual(record?.state, at === 7 ? { n: "first" } : { key: `k${at}` });
    },
  },
  {
    name: "T4 creates, updates, deletes and conflicts mix in one batch",
    async run({ store }) {
      await commitOk(store, write("update", 0, { n: 1 }));
      await commitOk(store, write("delete", 0, { n: 1 }));
      const [first, second, third, fourth] = await store.commit([
        write("create", 0, { n: 1 }),
        write("update", 1, { n: 2 }),
        write("absent", 4, { n: 1 }),
        write("delete", 1, undefined),
      ]);
      assert.deepEqual([first?.ok, second?.ok, fourth?.ok], [true, true, true]);
      expectConflict(third, 0, undefined);
      await expectStored(store, "create", 1, { n: 1 });
      await expectStored(store, "update", 2, { n: 2 });
      await expectStored(store, "delete", 2, undefined);
    },
  },
  {
    name: "T4 an atomic batch without conflicts takes effect whole",
    needs: ["transactions"],
    async run({ store }) {
      await commitOk(store, write("a", 0, { n: 1 }));
      const results = await store.commit([write("a", 1, { n: 2 }), write("b", 0, { n: 1 })], {
        atomic: true,
      });
      assert.deepEqual(results, [
        { ok: true, version: 2 },
        { ok: true, version: 1 },
      ]);
      await expectStored(store, "a", 2, { n: 2 });
      await expectStored(store, "b", 1, { n: 1 });
    },
  },
  {
    name: "T4 an atomic batch with one conflict has no effect, wherever the conflict is",
    needs: ["transactions"],
    async run({ store }) {
      await commitOk(store, write("a", 0, { n: 1 }));
      const bad = write("a", 5, { n: 9 });
      const good = write("b", 0, { n: 9 });
      for (const batch of [
        [bad, good],
        [good, bad],
      ]) {
        const results = await store.commit(batch, { atomic: true });
        assert.ok(results.every((result) => !result.ok));
        expectConflict(results[batch.indexOf(bad)], 1, { n: 1 });
        expectConflict(results[batch.indexOf(good)], 0, undefined);
      }
      await expectStored(store, "a", 1, { n: 1 });
      assert.equal(await loadOne(store, "b"), undefined);
    },
  },
  {
    name: "T6 a state without JSON is refused, and nothing of its batch took effect",
    async run({ store }) {
      await assert.rejects(store.commit([write("a", 0, { n: 1 }), write("b", 0, cyclic())]));
      assert.deepEqual(await store.load(["a", "b"]), [undefined, undefined]);
      await commitOk(store, write("a", 0, { n: 1 }));
    },
  },
  {
    name: "T6 a version that does not grow is refused, and nothing of its batch took effect",
    async run({ store }) {
      for (const version of [3, 2, 3.5, Number.NaN]) {
        const bad = write("b", 3, { n: 1 }, { version });
        await assert.rejects(store.commit([write("a", 0, { n: 1 }), bad]));
      }
      assert.equal(await loadOne(store, "a"), undefined);
    },
  },
  {
    name: "T4 concurrent batches over the same keys lose no update",
    async run({ store }) {
      const keys = ["x", "y", "z"];
      await store.commit(keys.map((key) => write(key, 0, 0)));
      const bump = async (key: string): Promise<void> => {
        for (;;) {
          const record = await loadOne(store, key);
          assert.ok(record);
          const next = Number(record.state) + 1;
          const result = await commitOne(store, write(key, record.version, next));
          if (result.ok) return;
        }
      };
      await Promise.all(keys.flatMap((key) => Array.from({ length: 10 }, () => bump(key))));
      for (const key of keys) await expectStored(store, key, 11, 10);
    },
  },
];
