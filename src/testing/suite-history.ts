/** The history of a record: rows in the commit of their state, or not at all. */
import assert from "node:assert/strict";
import type { Json } from "../../actors/protocol.ts";
import type { HistoryKeep, HistoryQuery, HistoryRow, StateStore } from "../stores/contract.ts";
import {
  commitOk,
  commitOne,
  expectConflict,
  expectStored,
  lasting,
  type SuiteCase,
  write,
} from "./suite-case.ts";

/** The time of version 1; later ones are a second apart. */
const FIRST_MS = 1_600_000_000_000;
const TTL_MS = 300;

/** The row of a version. */
export function row(version: number, more: Partial<HistoryRow> = {}): HistoryRow {
  return { version, at: FIRST_MS + version * 1000, entry: { change: version }, ...more };
}

/** What a commit of `step` adds. */
interface Step {
  readonly keep?: HistoryKeep;
  readonly rows?: readonly HistoryRow[];
  readonly fresh?: true;
}

/** Commits the next version of `k`, with its row. */
export async function step(
  store: StateStore,
  version: number,
  { keep = {}, rows = [row(version)], fresh }: Step = {},
): Promise<void> {
  const expected = (rows[0]?.version ?? version) - 1;
  const history = { add: rows, keep, fresh };
  await commitOk(store, write("k", expected, { n: version }, { version, history }));
}

function historyOf(store: StateStore, query?: HistoryQuery, key = "k"): Promise<HistoryRow[]> {
  if (store.history === undefined) assert.fail("a store that declares `history` has it");
  return store.history(key, query);
}

/** The versions of the rows of `k` that a query returns. */
export async function versionsOf(store: StateStore, query?: HistoryQuery): Promise<number[]> {
  return (await historyOf(store, query)).map(({ version }) => version);
}

/** All whole numbers from one to another. */
export function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, at) => from + at);
}

function named(name: string): ReturnType<typeof write> {
  return write("k", 1, { name }, { history: { add: [row(2, { entry: name })], keep: {} } });
}

/** Claims about histories. */
export const historyCases: readonly SuiteCase[] = [
  {
    name: "T9 rows are returned as they were written, newest first, or oldest first",
    needs: ["history"],
    async run({ store }) {
      const entry: Json = {
        operation: "patch",
        patches: [{ path: ["ä", 0], value: null }],
        n: -1.5,
      };
      await step(store, 1, { rows: [row(1, { entry })] });
      await step(store, 2, { rows: [row(2, { state: { n: 2, list: [1, "é"] } })] });
      await step(store, 5, { rows: [row(3), row(4), row(5, { entry: "text" })] });
      const all = [
        row(1, { entry }),
        row(2, { state: { n: 2, list: [1, "é"] } }),
        row(3),
        row(4),
        row(5, { entry: "text" }),
      ];
      assert.deepEqual(await historyOf(store), all.toReversed());
      assert.deepEqual(await historyOf(store, { oldestFirst: true }), all);
      assert.deepEqual(await historyOf(store, {}, "another"), []);
    },
  },
  {
    name: "T9 before and after are exclusive, and limit counts in the order of the query",
    needs: ["history"],
    async run({ store }) {
      for (const version of range(1, 7)) await step(store, version);
      assert.deepEqual(await versionsOf(store, { before: 4 }), [3, 2, 1]);
      assert.deepEqual(await versionsOf(store, { after: 4 }), [7, 6, 5]);
      assert.deepEqual(await versionsOf(store, { after: 2, before: 5 }), [4, 3]);
      assert.deepEqual(await versionsOf(store, { after: 5, before: 5 }), []);
      assert.deepEqual(await versionsOf(store, { before: 5, limit: 2 }), [4, 3]);
      assert.deepEqual(await versionsOf(store, { after: 2, limit: 2, oldestFirst: true }), [3, 4]);
      assert.deepEqual(await versionsOf(store, { after: 7 }), []);
    },
  },
  {
    name: "T9 a refused write adds no row",
    needs: ["history"],
    async run({ store }) {
      await step(store, 1);
      const history = { add: [row(6)], keep: { versions: 1 }, fresh: true as const };
      expectConflict(await commitOne(store, write("k", 5, { n: 6 }, { history })), 1, { n: 1 });
      assert.deepEqual(await historyOf(store), [row(1)]);
    },
  },
  {
    name: "T9 an atomic batch that is refused adds no row",
    needs: ["history", "transactions"],
    async run({ store }) {
      await step(store, 1);
      const history = { add: [row(2)], keep: {} };
      const writes = [write("k", 1, { n: 2 }, { history }), write("other", 9, { n: 1 })];
      const results = await store.commit(writes, { atomic: true });
      assert.ok(results.every(({ ok }) => !ok));
      assert.deepEqual(await versionsOf(store), [1]);
    },
  },
  {
    name: "T9 two writes of a key in one batch add their rows in order",
    needs: ["history"],
    async run({ store }) {
      await step(store, 1);
      const writes = [2, 3].map((version) =>
        write("k", version - 1, { n: version }, { history: { add: [row(version)], keep: {} } }),
      );
      assert.ok((await store.commit(writes)).every(({ ok }) => ok));
      assert.deepEqual(await versionsOf(store), [3, 2, 1]);
    },
  },
  {
    name: "T9 rows whose versions are out of order are refused, with the state",
    needs: ["history"],
    async run({ store }) {
      await step(store, 1);
      for (const rows of [[row(1)], [row(3), row(2)], [row(2)], [row(4)]]) {
        const history = { add: rows, keep: {} };
        const wrong = write("k", 1, { n: 3 }, { version: 3, history });
        await assert.rejects(store.commit([wrong]), RangeError);
      }
      await expectStored(store, "k", 1, { n: 1 });
      assert.deepEqual(await versionsOf(store), [1]);
    },
  },
  {
    name: "T9 a write without a history keeps the rows",
    needs: ["history"],
    async run({ store }) {
      await step(store, 1);
      await commitOk(store, write("k", 1, { n: 2 }));
      await step(store, 3);
      assert.deepEqual(await versionsOf(store), [3, 1]);
    },
  },
  {
    name: "T9 the time of a row is never less than that of the row before",
    needs: ["history"],
    async run({ store }) {
      await step(store, 1, { rows: [row(1, { at: FIRST_MS + 50 })] });
      await step(store, 3, { rows: [row(2, { at: FIRST_MS }), row(3, { at: FIRST_MS + 60 })] });
      const times = (await historyOf(store)).map(({ at }) => at - FIRST_MS);
      assert.deepEqual(times, [60, 50, 50]);
    },
  },
  {
    name: "T9 a delete leaves no row, and a new record of the key begins without",
    needs: ["history"],
    async run({ store }) {
      await step(store, 1);
      await step(store, 2);
      await commitOk(store, write("k", 2, undefined));
      assert.deepEqual(await historyOf(store), []);
      await step(store, 4, { rows: [row(4)] });
      assert.deepEqual(await historyOf(store), [row(4)]);
    },
  },
  {
    name: "T9 a fresh write removes the rows before it",
    needs: ["history"],
    async run({ store }) {
      await step(store, 1);
      await step(store, 2);
      await step(store, 4, { rows: [row(3), row(4)], fresh: true });
      assert.deepEqual(await versionsOf(store), [4, 3]);
    },
  },
  {
    name: "T9 an expired record has no rows",
    needs: ["history", "ttl"],
    async run({ store, advance }) {
      await lasting(TTL_MS, async (time, key) => {
        const versions = async (): Promise<number[]> =>
          (await historyOf(store, {}, key)).map(({ version }) => version);
        const first = { add: [row(1)], keep: {} };
        await commitOk(store, write(key, 0, { n: 1 }, { ttlMs: TTL_MS, history: first }));
        await time.holds(async () => assert.deepEqual(await versions(), [1]));
        await advance(TTL_MS + 100);
        assert.deepEqual(await versions(), []);
        const second = { add: [row(2)], keep: {}, fresh: true as const };
        await commitOk(store, write(key, 1, { n: 2 }, { history: second }));
        assert.deepEqual(await versions(), [2]);
      });
    },
  },
  {
    name: "T9 erase removes the rows",
    needs: ["history", "erase"],
    async run({ store }) {
      await step(store, 1);
      await step(store, 2);
      await store.erase?.(["k"]);
      assert.deepEqual(await historyOf(store), []);
      await step(store, 1);
      assert.deepEqual(await versionsOf(store), [1]);
    },
  },
  {
    name: "T9 a large record changed by patches adds its rows",
    needs: ["history"],
    async run({ store }) {
      const state = { text: "x".repeat(50_000), n: 0 };
      const history = { add: [row(1)], keep: {} };
      await commitOk(store, write("k", 0, state, { history }));
      for (const version of range(2, 4)) {
        const patches = [{ op: "replace" as const, path: ["n"], value: version }];
        const next = { ...state, n: version };
        const more = { patches, history: { add: [row(version)], keep: { versions: 2 } } };
        await commitOk(store, write("k", version - 1, next, more));
      }
      assert.deepEqual(await versionsOf(store), [4, 3]);
      await commitOk(store, write("k", 4, undefined));
      assert.deepEqual(await historyOf(store), []);
    },
  },
  {
    name: "T9 rows are there after the store was opened again",
    needs: ["history", "durable", "reopen"],
    async run({ store, reopen }) {
      for (const version of range(1, 4)) await step(store, version, { keep: { versions: 3 } });
      await store.close();
      const again = await reopen();
      assert.deepEqual(await historyOf(again), [row(4), row(3), row(2)]);
      await step(again, 5, { keep: { versions: 3 } });
      assert.deepEqual(await versionsOf(again), [5, 4, 3]);
    },
  },
  {
    name: "T9 of two owners who write one version, one adds its row",
    needs: ["history", "second"],
    async run({ store, second }) {
      await step(store, 1);
      const other = await second();
      const results = await Promise.all([
        store.commit([named("one")]),
        other.commit([named("two")]),
      ]);
      const winner = results[0]?.[0]?.ok === true ? "one" : "two";
      assert.equal(results.flat().filter(({ ok }) => ok).length, 1);
      await expectStored(store, "k", 2, { name: winner });
      for (const each of [store, other])
        assert.deepEqual(await historyOf(each), [row(2, { entry: winner }), row(1)]);
    },
  },
];
