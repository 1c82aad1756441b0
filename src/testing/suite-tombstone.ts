/** Tombstones and how long they are kept, and that an erased key leaves no data. */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import type { Json } from "../../actors/protocol.ts";
import type { StateStore } from "../stores/contract.ts";
import {
  commitOk,
  commitOne,
  expectConflict,
  expectStored,
  listAll,
  loadOne,
  type SuiteCase,
  type SuiteSession,
  write,
} from "./suite-case.ts";
import { Observed, watchOf } from "./suite-watch.ts";

const KEPT_MS = 500;
/** A store on a server keeps a tombstone at least while a call may be retried; milliseconds. */
const PATIENCE_MS = 25_000;
const LOOK_MS = 50;
const LARGE: Json = { text: "x".repeat(50_000) };

/** Uses the store, but not the key, until no data of the key is left. */
async function untilForgotten({ store, advance }: SuiteSession, key: string): Promise<void> {
  const end = performance.now() + PATIENCE_MS;
  while (performance.now() < end) {
    await advance(LOOK_MS);
    await store.load(["another"]);
    await sleep(LOOK_MS);
    if ((await loadOne(store, key)) === undefined) return;
  }
  assert.fail(`some data of ${key} was left`);
}

function eraseOf(store: StateStore): NonNullable<StateStore["erase"]> {
  if (store.erase === undefined) assert.fail("the case needs `erase`");
  return store.erase.bind(store);
}

/** One record of each kind that a store keeps in its own way. */
async function writeAll(store: StateStore): Promise<string[]> {
  await commitOk(store, write("small", 0, { n: 1 }));
  await commitOk(store, write("large", 0, LARGE));
  const patches = [{ op: "replace" as const, path: ["text"], value: "short" }];
  await commitOk(store, write("large", 1, { text: "short" }, { patches }));
  await commitOk(store, write("deleted", 0, { n: 1 }, { version: 4 }));
  await commitOk(store, write("deleted", 4, undefined));
  return ["small", "large", "deleted"];
}

/** Claims about tombstones and `erase`. */
export const tombstoneCases: readonly SuiteCase[] = [
  {
    name: "T3 a tombstone refuses a late writer in its time; after it no data is left",
    needs: ["tombstonesEnd"],
    async run(session) {
      const { store } = session;
      await commitOk(store, write("k", 0, { n: 1 }));
      await commitOk(store, write("k", 1, undefined, { tombstoneMs: KEPT_MS }));
      await commitOk(store, write("long", 0, { n: 1 }));
      await commitOk(store, write("long", 1, undefined));
      await commitOk(store, write("good", 0, undefined, { tombstoneMs: Infinity }));
      await commitOk(store, write("anew", 0, undefined, { tombstoneMs: KEPT_MS }));
      await commitOk(store, write("anew", 1, { n: 3 }));
      expectConflict(await commitOne(store, write("k", 1, { n: 2 })), 2, undefined);
      expectConflict(await commitOne(store, write("k", 0, { n: 2 })), 2, undefined);
      await untilForgotten(session, "k");
      expectConflict(await commitOne(store, write("k", 2, { n: 2 })), 0, undefined);
      await commitOk(store, write("k", 0, { n: 2 }));
      await expectStored(store, "k", 1, { n: 2 });
      await expectStored(store, "long", 2, undefined);
      await expectStored(store, "good", 1, undefined);
      await expectStored(store, "anew", 2, { n: 3 });
    },
  },
  {
    name: "T3 an expired record that is not read again is removed as well, small or large",
    needs: ["tombstonesEnd", "ttl"],
    async run(session) {
      const { store } = session;
      const life = { ttlMs: KEPT_MS, tombstoneMs: KEPT_MS };
      await commitOk(store, write("k", 0, { n: 1 }, life));
      await commitOk(store, write("large", 0, LARGE, life));
      await commitOk(store, write("stays", 0, { n: 1 }, life));
      await commitOk(store, write("stays", 1, { n: 2 }));
      await untilForgotten(session, "k");
      await untilForgotten(session, "large");
      await commitOk(store, write("large", 0, LARGE));
      await expectStored(store, "large", 1, LARGE);
      await expectStored(store, "stays", 2, { n: 2 });
    },
  },
  {
    name: "T3 an invalid time is refused",
    needs: ["tombstonesEnd"],
    async run({ store }) {
      for (const tombstoneMs of [-1, Number.NaN])
        await assert.rejects(store.commit([write("k", 0, 1, { tombstoneMs })]));
      assert.equal(await loadOne(store, "k"), undefined);
    },
  },
  {
    name: "T8 an erased key counts as never written, whatever was stored",
    needs: ["erase", "list"],
    async run({ store }) {
      const keys = await writeAll(store);
      await commitOk(store, write("other", 0, { n: 1 }));
      assert.deepEqual(await eraseOf(store)([...keys, "never"]), [true, true, true, false]);
      assert.deepEqual(await store.load(keys), [undefined, undefined, undefined]);
      assert.deepEqual(await listAll(store), ["other"]);
      assert.deepEqual(await eraseOf(store)(keys), [false, false, false]);
      assert.deepEqual(await eraseOf(store)([]), []);
      for (const key of keys) {
        expectConflict(await commitOne(store, write(key, 1, { n: 2 })), 0, undefined);
        await commitOk(store, write(key, 0, LARGE));
        await expectStored(store, key, 1, LARGE);
      }
      assert.deepEqual(await listAll(store), ["deleted", "large", "other", "small"]);
    },
  },
  {
    name: "T8 an erased key is reported with the version after the erased one",
    needs: ["erase", "watch", "second"],
    async run(session) {
      const { store } = session;
      await commitOk(store, write("k", 0, { n: 1 }, { version: 7 }));
      const other = await session.second();
      const observed = new Observed();
      const stop = await watchOf(other)(observed.changed);
      await eraseOf(store)(["k"]);
      await observed.reached(session, "k", 8);
      assert.deepEqual([...observed.versions], [["k", 8]]);
      assert.deepEqual(await other.load(["k"]), [undefined]);
      await stop();
    },
  },
];
