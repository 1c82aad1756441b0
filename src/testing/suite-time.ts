/** Expiry: an expired record is a tombstone of the same version. */
import assert from "node:assert/strict";
import type { Patch } from "../../actors/protocol.ts";
import {
  commitOk,
  commitOne,
  expectConflict,
  expectStored,
  lasting,
  listAll,
  loadOne,
  type SuiteCase,
  write,
} from "./suite-case.ts";

const TTL_MS = 2000;
const LARGE_CHARS = 50_000;

function set(n: number): { patches: Patch[] } {
  return { patches: [{ op: "replace", path: ["n"], value: n }] };
}

/** Claims about `ttlMs`. */
export const timeCases: readonly SuiteCase[] = [
  {
    name: "a record is there until it expires and is a tombstone of the same version after it",
    needs: ["ttl"],
    async run({ store, advance }) {
      await commitOk(store, write("stays", 0, { n: 1 }));
      await lasting(TTL_MS, async (time, key) => {
        await commitOk(store, write(key, 0, { n: 1 }, { ttlMs: TTL_MS }));
        await advance(TTL_MS / 2);
        await time.holds(() => expectStored(store, key, 1, { n: 1 }));
        await advance(TTL_MS);
        await expectStored(store, key, 1, undefined);
      });
      await expectStored(store, "stays", 1, { n: 1 });
    },
  },
  {
    name: "a record has the time until it expires, after a load and in a conflict",
    needs: ["ttl"],
    async run({ store, context, advance }) {
      const text = "x".repeat(LARGE_CHARS);
      await commitOk(store, write("stays", 0, { n: 1 }));
      await lasting(TTL_MS, async (time, key) => {
        await commitOk(store, write(key, 0, { n: 1 }, { ttlMs: TTL_MS }));
        await commitOk(store, write(`large ${key}`, 0, { n: 1, text }, { ttlMs: TTL_MS }));
        const before = context.clock.now();
        await advance(TTL_MS / 4);
        const passed = context.clock.now() - before;
        await time.holds(async () => {
          const met = await commitOne(store, write(key, 0, { n: 9 }));
          assert.ok(!met.ok);
          for (const record of [met.current, ...(await store.load([key, `large ${key}`]))]) {
            assert.ok(record?.leftMs !== undefined && record.leftMs > 0, "it has leftMs");
            assert.ok(record.leftMs <= TTL_MS - passed, "and it counts down");
          }
        });
      });
      assert.equal((await loadOne(store, "stays"))?.leftMs, undefined);
    },
  },
  {
    name: "T3 an expired record is written to at its version, and only there",
    needs: ["ttl"],
    async run({ store, advance }) {
      await commitOk(store, write("k", 0, { n: 1 }, { version: 4, ttlMs: TTL_MS }));
      await advance(TTL_MS * 2);
      expectConflict(await commitOne(store, write("k", 0, { n: 9 })), 4, undefined);
      await commitOk(store, write("k", 4, { n: 2 }));
      await advance(TTL_MS * 2);
      await expectStored(store, "k", 5, { n: 2 });
    },
  },
  {
    name: "each write starts its time again, and one without a time ends it",
    needs: ["ttl"],
    async run({ store, advance }) {
      await lasting(TTL_MS, async (time, key) => {
        await commitOk(store, write(key, 0, { n: 1 }, { ttlMs: TTL_MS }));
        await advance(TTL_MS * 0.75);
        time.begin();
        await commitOk(store, write(key, 1, { n: 2 }, { ttlMs: TTL_MS }));
        await advance(TTL_MS * 0.75);
        await time.holds(() => expectStored(store, key, 2, { n: 2 }));
        await commitOk(store, write(key, 2, { n: 3 }));
        await advance(TTL_MS * 3);
        await expectStored(store, key, 3, { n: 3 });
      });
    },
  },
  {
    name: "expired keys are not listed",
    needs: ["ttl", "list"],
    async run({ store, advance }) {
      await commitOk(store, write("b", 0, 1));
      await lasting(TTL_MS, async (time, key) => {
        await commitOk(store, write(key, 0, 1, { ttlMs: TTL_MS }));
        await time.holds(async () => assert.deepEqual(await listAll(store), ["b", key]));
        await advance(TTL_MS * 2);
        assert.deepEqual(await listAll(store), ["b"]);
      });
    },
  },
  {
    name: "a large record keeps its time through patches, and an expired one does not come back",
    needs: ["ttl"],
    async run({ store, advance }) {
      const text = "x".repeat(LARGE_CHARS);
      await lasting(TTL_MS, async (time, key) => {
        await commitOk(store, write(key, 0, { n: 0, text }, { ttlMs: TTL_MS }));
        time.begin();
        await commitOk(store, write(key, 1, { n: 1, text }, { ttlMs: TTL_MS, ...set(1) }));
        await advance(TTL_MS / 2);
        await time.holds(() => expectStored(store, key, 2, { n: 1, text }));
        await advance(TTL_MS);
        await expectStored(store, key, 2, undefined);
        // The patches are still sent, but there is no state left to apply them to.
        await commitOk(store, write(key, 2, { n: 2, text: "" }, set(2)));
        await expectStored(store, key, 3, { n: 2, text: "" });
      });
    },
  },
  {
    name: "an invalid time is refused",
    needs: ["ttl"],
    async run({ store }) {
      for (const ttlMs of [0, -1, Number.NaN, Infinity])
        await assert.rejects(store.commit([write("k", 0, 1, { ttlMs })]));
      assert.deepEqual(await store.load(["k"]), [undefined]);
    },
  },
];
