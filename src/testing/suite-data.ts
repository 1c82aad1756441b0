/** T5 and keys: any key, any JSON, nothing shared, nothing computed that is not needed. */
import assert from "node:assert/strict";
import type { Json, Patch } from "../../actors/protocol.ts";
import type { ScopeWrite, StateStore } from "../stores/contract.ts";
import {
  commitOk,
  commitOne,
  expectConflict,
  expectStored,
  listAll,
  loadOne,
  type SuiteCase,
  write,
} from "./suite-case.ts";

/** Keys that a careless store would mix up, truncate, match as patterns, or take for paths. */
export const HOSTILE_KEYS: readonly string[] = [
  "",
  " ",
  "/",
  "//",
  ".",
  "..",
  "../../etc/passwd",
  "a/../b",
  "C:\\con",
  "*",
  "?",
  "[a-z]*",
  "%",
  "%25",
  "_",
  "~",
  "~0041",
  "\u0000",
  "a\u0000b",
  "a",
  "A",
  "\u0001",
  "\n",
  "'; DROP TABLE x; --",
  '"',
  "{braces}",
  "__proto__",
  "constructor",
  "toString",
  "é",
  "e\u0301",
  "\ud800",
  "\udc00",
  "\udfff\ud800",
  "\ufffd",
  "😀",
  "\uffff",
  "x".repeat(1000),
  `${"x".repeat(1000)}y`,
];

const HOSTILE_STATES: readonly Json[] = [
  null,
  false,
  0,
  -1.5e-7,
  Number.MAX_SAFE_INTEGER,
  1.7976931348623157e308,
  "",
  "\u0000 \ud800 \u2028 😀",
  [],
  {},
  [[], [[]], null],
  { "": { "": null }, "a.b": 1, "/": 2, constructor: 3, toString: null },
  // JSON.parse makes `__proto__` an own key, as a literal would not.
  JSON.parse('{"__proto__":{"polluted":true},"safe":1}') as Json,
];

/** Above the size at which any store may treat a state as large. */
const LARGE_CHARS = 50_000;
const MANY = 100;

function large(n: number): { n: number; text: string } {
  return { n, text: "x".repeat(LARGE_CHARS) };
}

/** A write that counts how often its state is read. */
function watched(base: ScopeWrite): { write: ScopeWrite; reads: () => number } {
  let reads = 0;
  const state = base.state;
  const only: ScopeWrite = Object.defineProperty({ ...base }, "state", {
    enumerable: true,
    get() {
      reads += 1;
      return state;
    },
  });
  return { write: only, reads: () => reads };
}

function setN(n: number): readonly Patch[] {
  return [{ op: "replace", path: ["n"], value: n }];
}

async function roundTrip(store: StateStore, key: string, state: Json): Promise<void> {
  await commitOk(store, write(key, 0, state));
  const record = await loadOne(store, key);
  assert.deepEqual(record?.state, state);
}

/** Claims about keys and states. */
export const dataCases: readonly SuiteCase[] = [
  {
    name: "every key is its own, whatever its characters",
    async run({ store }) {
      const results = await store.commit(HOSTILE_KEYS.map((key, at) => write(key, 0, { at })));
      assert.ok(results.every((result) => result.ok));
      const records = await store.load(HOSTILE_KEYS);
      assert.deepEqual(
        records.map((record) => record?.state),
        HOSTILE_KEYS.map((_, at) => ({ at })),
      );
      await commitOk(store, write("*", 1, undefined));
      await expectStored(store, "a", 1, { at: HOSTILE_KEYS.indexOf("a") });
    },
  },
  {
    name: "listing returns every such key, in the order of its UTF-16 units",
    needs: ["list"],
    async run({ store }) {
      await store.commit(HOSTILE_KEYS.map((key) => write(key, 0, 1)));
      // The default order of `sort` is that of UTF-16 units.
      assert.deepEqual(await listAll(store), HOSTILE_KEYS.toSorted());
    },
  },
  {
    name: "T5 any JSON comes back equal",
    async run({ store }) {
      for (const [at, state] of HOSTILE_STATES.entries()) await roundTrip(store, `k${at}`, state);
      assert.equal(Object.hasOwn(Object.prototype, "polluted"), false);
    },
  },
  {
    name: "T5 a large state comes back equal",
    async run({ store }) {
      await roundTrip(store, "k", large(1));
      await commitOk(store, write("k", 1, large(2)));
      await expectStored(store, "k", 2, large(2));
      await commitOk(store, write("k", 2, { n: 3 }));
      await expectStored(store, "k", 3, { n: 3 });
      await commitOk(store, write("k", 3, large(4)));
      await commitOk(store, write("k", 4, undefined));
      await expectStored(store, "k", 5, undefined);
    },
  },
  {
    name: "T5 changing what was written or read changes nothing stored",
    async run({ store }) {
      const state = { list: [1], nested: { n: 1 } };
      await commitOk(store, write("k", 0, state));
      state.list.push(2);
      state.nested.n = 2;
      const record = await loadOne(store, "k");
      assert.ok(record);
      // The suite wrote a state of this shape.
      const read = record.state as { list: number[]; nested: { n: number } };
      assert.deepEqual(read, { list: [1], nested: { n: 1 } });
      read.list.push(3);
      read.nested.n = 3;
      await expectStored(store, "k", 1, { list: [1], nested: { n: 1 } });
      const added = { deep: [1] };
      const patches: Patch[] = [{ op: "add", path: ["added"], value: added }];
      await commitOk(store, write("k", 1, { list: [1], nested: { n: 1 }, added }, { patches }));
      added.deep.push(2);
      const after = { list: [1], nested: { n: 1 }, added: { deep: [1] } };
      await expectStored(store, "k", 2, after);
    },
  },
  {
    name: "T5 a conflict's record shares nothing with the store",
    async run({ store }) {
      await commitOk(store, write("k", 0, { list: [1] }));
      const result = await commitOne(store, write("k", 0, {}));
      assert.ok(!result.ok && result.current);
      // The suite wrote a state of this shape.
      (result.current.state as { list: number[] }).list.push(2);
      await expectStored(store, "k", 1, { list: [1] });
    },
  },
  {
    name: "patches and whole states lead to the same state, small and large",
    async run({ store }) {
      for (const [key, make] of [
        ["small", (n: number) => ({ n, text: "" })],
        ["large", large],
      ] as const) {
        await commitOk(store, write(key, 0, make(0)));
        for (let n = 1; n <= 30; n += 1) {
          const more = n % 7 === 0 ? {} : { patches: setN(n) };
          await commitOk(store, write(key, n, make(n), more));
          if (n % 10 === 0) await expectStored(store, key, n + 1, make(n));
        }
      }
    },
  },
  {
    name: "large patches and many patches are stored as well",
    async run({ store }) {
      await commitOk(store, write("k", 0, large(0)));
      const text = "y".repeat(LARGE_CHARS * 2);
      const patches: Patch[] = [{ op: "replace", path: ["text"], value: text }];
      await commitOk(store, write("k", 1, { n: 0, text }, { patches }));
      await expectStored(store, "k", 2, { n: 0, text });
      let version = 2;
      for (let pass = 0; pass < 12; pass += 1) {
        const batch = Array.from({ length: MANY }, (_, at) => {
          const n = version + at;
          return write("k", n, { n, text }, { patches: setN(n) });
        });
        // Some alone, the others at once: a commit takes the disk its time.
        for (const only of batch.splice(0, 10)) await commitOk(store, only);
        const results = await store.commit(batch);
        assert.ok(results.every(({ ok }) => ok));
        version += MANY;
      }
      await expectStored(store, "k", version, { n: version - 1, text });
    },
  },
  {
    name: "a stale write with patches is a conflict and leaves no trace",
    async run({ store }) {
      await commitOk(store, write("k", 0, large(0)));
      await commitOk(store, write("k", 1, large(1), { patches: setN(1) }));
      const stale = write("k", 1, large(9), { patches: setN(9) });
      expectConflict(await commitOne(store, stale), 2, large(1));
      await commitOk(store, write("k", 2, large(2), { patches: setN(2) }));
      await expectStored(store, "k", 3, large(2));
    },
  },
  {
    name: "a state that is computed when read is written correctly, after few reads",
    async run({ store }) {
      for (const [at, make] of [(n: number) => ({ n }), large].entries()) {
        const key = `k${at}`;
        await commitOk(store, write(key, 0, make(0)));
        for (let n = 1; n <= 3; n += 1) {
          const lazy = watched(write(key, n, make(n), { patches: setN(n) }));
          await commitOk(store, lazy.write);
          assert.ok(lazy.reads() <= 2, `state read ${lazy.reads()} times`);
        }
        await expectStored(store, key, 4, make(3));
      }
    },
  },
];
