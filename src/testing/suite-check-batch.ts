/** T4 and T7: checks beside writes, and beside other owners. */
import assert from "node:assert/strict";
import type { CommitOptions, ScopeWrite, StateStore } from "../stores/contract.ts";
import {
  commitOk,
  drive,
  expectConflict,
  expectStored,
  loadOne,
  type SuiteCase,
  write,
} from "./suite-case.ts";
import { ask, check, expectVersion } from "./suite-check.ts";

const MANY = 300;
const BUMPS = 25;

/** Increments a counter until it was stored, or confirms its value; returns the known value. */
async function confirmed(store: StateStore, key: string, changes: boolean): Promise<number> {
  for (;;) {
    const record = await loadOne(store, key);
    const [version, n] = [record?.version ?? 0, Number(record?.state ?? 0)];
    const [result] = changes
      ? await store.commit([write(key, version, n + 1)])
      : await ask(store, check(key, version));
    if (result?.ok === true) return changes ? n + 1 : n;
  }
}

function whileAbsent(key: string): CommitOptions {
  return { atomic: true, checks: [check(key, 0)] };
}

/** Claims about checks beside writes. */
export const checkedBatchCases: readonly SuiteCase[] = [
  {
    name: "T4 results of checks follow those of the writes, and each stands alone",
    needs: ["checks"],
    async run({ store }) {
      await store.commit([write("x", 0, { n: 1 }), write("y", 0, { n: 1 }, { version: 7 })]);
      const writes: ScopeWrite[] = [write("a", 0, { n: 1 }), write("x", 5, { n: 9 })];
      const checks = [check("y", 7), check("y", 6), check("none", 0), check("none", 2)];
      const results = await store.commit(writes, { checks });
      assert.equal(results.length, writes.length + checks.length);
      assert.deepEqual(results[0], { ok: true, version: 1 });
      expectConflict(results[1], 1, { n: 1 });
      assert.deepEqual(results[2], { ok: true, version: 7 });
      expectConflict(results[3], 7, { n: 1 });
      assert.deepEqual(results[4], { ok: true, version: 0 });
      expectConflict(results[5], 0, undefined);
      await expectStored(store, "a", 1, { n: 1 });
    },
  },
  {
    name: "T4 many writes and many checks go in one batch",
    needs: ["checks"],
    async run({ store }) {
      const names = (of: string): string[] => Array.from({ length: MANY }, (_, at) => of + at);
      await store.commit(names("old").map((key) => write(key, 0, { key })));
      const writes = names("new").map((key) => write(key, 0, { key }));
      const checks = names("old").map((key, at) => check(key, at === 7 ? 2 : 1));
      const results = await store.commit(writes, { checks });
      assert.equal(results.length, 2 * MANY);
      expectConflict(results[MANY + 7], 1, { key: "old7" });
      assert.equal(results.filter(({ ok }) => ok).length, 2 * MANY - 1);
      const [none] = await ask(store, check("new0", 0));
      expectConflict(none, 1, { key: "new0" });
    },
  },
  {
    name: "T7 a check and a write of one key see the record as it was before the batch",
    needs: ["checks"],
    async run({ store }) {
      await commitOk(store, write("k", 0, { n: 1 }));
      const checks = [check("k", 1), check("k", 2), check("fresh", 0), check("fresh", 1)];
      const both = [write("k", 1, { n: 2 }), write("fresh", 0, { n: 1 })];
      const results = await store.commit(both, { checks });
      assert.deepEqual(
        results.map(({ ok }) => ok),
        [true, true, true, false, true, false],
      );
      expectConflict(results[3], 1, { n: 1 });
      expectConflict(results[5], 0, undefined);
      await expectVersion(store, "k", 2, { n: 2 });
      await expectVersion(store, "fresh", 1, { n: 1 });
    },
  },
  {
    name: "T4 an atomic batch whose checks succeed takes effect whole",
    needs: ["checks", "transactions"],
    async run({ store }) {
      await commitOk(store, write("m", 0, { n: 1 }));
      const writes = [write("a", 0, { n: 1 }), write("z", 0, { n: 1 })];
      const checks = [check("none", 0), check("m", 1)];
      const results = await store.commit(writes, { atomic: true, checks });
      const versions = results.map((result) => result.ok && result.version);
      assert.deepEqual(versions, [1, 1, 0, 1]);
      await expectVersion(store, "a", 1, { n: 1 });
      await expectVersion(store, "z", 1, { n: 1 });
      await expectVersion(store, "none", 0, undefined);
      const [again] = await store.commit([], { atomic: true, checks: [check("m", 1)] });
      assert.deepEqual(again, { ok: true, version: 1 });
    },
  },
  {
    name: "T4 a check that fails prevents all of an atomic batch, wherever its key is",
    needs: ["checks", "transactions"],
    async run({ store }) {
      await commitOk(store, write("b", 0, { n: 1 }));
      await commitOk(store, write("m", 0, { n: 1 }));
      for (const bad of [check("m", 0), check("m", 2), check("a", 1), check("z", 1)]) {
        const writes = [write("b", 1, { n: 9 }), write("new", 0, { n: 9 })];
        const checks = [check("m", 1), bad, check("none", 0)];
        const results = await store.commit(writes, { atomic: true, checks });
        expectConflict(results[0], 1, { n: 1 });
        expectConflict(results[1], 0, undefined);
        assert.deepEqual(results[2], { ok: true, version: 1 });
        if (bad.key === "m") expectConflict(results[3], 1, { n: 1 });
        else expectConflict(results[3], 0, undefined);
        assert.deepEqual(results[4], { ok: true, version: 0 });
      }
      await expectVersion(store, "b", 1, { n: 1 });
      await expectVersion(store, "new", 0, undefined);
      const bad = { atomic: true, checks: [check("m", 1)] };
      const [stale, held] = await store.commit([write("b", 7, { n: 9 })], bad);
      expectConflict(stale, 1, { n: 1 });
      assert.deepEqual(held, { ok: true, version: 1 });
    },
  },
];

/** Claims about checks of records that others write. */
export const checkedOwnerCases: readonly SuiteCase[] = [
  {
    name: "T7 a check sees what another owner committed before it, never an older copy",
    needs: ["checks", "second"],
    async run(session) {
      const { store } = session;
      const other = await session.second();
      for (const version of [0, 1, 2, 3, 4]) {
        for (const each of [store, other])
          assert.deepEqual(await ask(each, check("k", version)), [{ ok: true, version }]);
        await drive(session, commitOk(other, write("k", version, { n: version + 1 })));
        const [late] = await ask(store, check("k", version));
        expectConflict(late, version + 1, { n: version + 1 });
      }
      await commitOk(other, write("k", 5, undefined));
      await expectVersion(store, "k", 6, undefined);
    },
  },
  {
    name: "T7 a check that is ok rests on the newest state, while others write",
    needs: ["checks", "second"],
    async run(session) {
      const { store } = session;
      const other = await session.second();
      const known = { acknowledged: 0 };
      const bump = async (): Promise<void> => {
        for (let count = 0; count < BUMPS; count += 1) {
          const n = await confirmed(other, "n", true);
          known.acknowledged = Math.max(known.acknowledged, n);
        }
      };
      const look = async (): Promise<void> => {
        while (known.acknowledged < 2 * BUMPS) {
          const before = known.acknowledged;
          assert.ok((await confirmed(store, "n", false)) >= before, "nothing acknowledged is lost");
        }
      };
      await drive(session, Promise.all([bump(), bump(), look()]));
    },
  },
  {
    name: "T4 two atomic batches that each check what the other writes never both take effect",
    needs: ["checks", "second", "transactions"],
    async run(session) {
      const { store } = session;
      const other = await session.second();
      for (let pass = 0; pass < BUMPS; pass += 1) {
        const [a, b] = [`a${pass}`, `b${pass}`];
        const both = [
          store.commit([write(a, 0, 1)], whileAbsent(b)),
          other.commit([write(b, 0, 1)], whileAbsent(a)),
        ];
        const ends = await drive(session, Promise.all(both));
        const winners = ends.filter((results) => results.every(({ ok }) => ok));
        assert.ok(winners.length <= 1, "at most one of them takes effect");
        const versions = (await store.load([a, b])).map((record) => record?.version ?? 0);
        assert.equal(versions[0], ends[0]?.[0]?.ok === true ? 1 : 0);
        assert.equal(versions[1], ends[1]?.[0]?.ok === true ? 1 : 0);
      }
    },
  },
  {
    name: "a store that declares one owner refuses a second",
    needs: ["sole"],
    async run({ store, second }) {
      await commitOk(store, write("k", 0, 1));
      await assert.rejects(async () => (await second()).load(["k"]));
    },
  },
];
