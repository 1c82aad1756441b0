/** T7: a check compares with what is committed when it runs. */
import assert from "node:assert/strict";
import type { Json, Patch } from "../../actors/protocol.ts";
import type { StateStore, VersionCheck, WriteResult } from "../stores/contract.ts";
import {
  commitOk,
  commitOne,
  expectConflict,
  expectStored,
  lasting,
  loadOne,
  type SuiteCase,
  write,
} from "./suite-case.ts";
import { HOSTILE_KEYS } from "./suite-data.ts";

const MANY = 300;
const TTL_MS = 2000;
const LARGE_CHARS = 50_000;

/** A check of one key. */
export function check(key: string, expectedVersion: number): VersionCheck {
  return { key, expectedVersion };
}

/** The results of checks without writes. */
export async function ask(store: StateStore, ...checks: VersionCheck[]): Promise<WriteResult[]> {
  const results = await store.commit([], { checks });
  assert.equal(results.length, checks.length, "each check has one result");
  return results;
}

/** Asserts that the record of `key` has this version, and that no other one is confirmed. */
export async function expectVersion(
  store: StateStore,
  key: string,
  version: number,
  state: Json | undefined,
): Promise<void> {
  const others = [0, 1, version - 1, version + 1, version + 1000];
  const wrong = [...new Set(others)].filter((other) => other >= 0 && other !== version);
  const [right, ...rest] = await ask(
    store,
    check(key, version),
    ...wrong.map((other) => check(key, other)),
  );
  assert.deepEqual(right, { ok: true, version });
  for (const result of rest) expectConflict(result, version, state);
}

/** Claims about checks without writes. */
export const checkCases: readonly SuiteCase[] = [
  {
    name: "T7 a check is ok exactly at the stored version; else it returns the stored record",
    needs: ["checks"],
    async run({ store }) {
      await expectVersion(store, "k", 0, undefined);
      await commitOk(store, write("k", 0, { n: 1 }, { version: 5 }));
      await expectVersion(store, "k", 5, { n: 1 });
      await commitOk(store, write("k", 5, { n: 2 }));
      await expectVersion(store, "k", 6, { n: 2 });
      const high = 2 ** 50;
      await commitOk(store, write("k", 6, null, { version: high }));
      await expectVersion(store, "k", high, null);
      await expectStored(store, "k", high, null);
    },
  },
  {
    name: "T7 a check changes nothing, also of what does not exist",
    needs: ["checks"],
    async run({ store }) {
      await ask(store, check("absent", 0), check("absent", 3));
      assert.equal(await loadOne(store, "absent"), undefined);
      if (store.supports.list)
        for await (const key of store.list()) assert.fail(`${key} is not there`);
      await commitOk(store, write("absent", 0, { n: 1 }));
      assert.deepEqual(await store.commit([], { checks: [] }), []);
    },
  },
  {
    name: "T7 checks of every key are distinct, and their results come in order",
    needs: ["checks"],
    async run({ store }) {
      const versions = HOSTILE_KEYS.map((_, at) => at + 1);
      await store.commit(
        HOSTILE_KEYS.map((key, at) => write(key, 0, { at }, { version: versions[at] ?? 0 })),
      );
      const right = HOSTILE_KEYS.map((key, at) => check(key, versions[at] ?? 0));
      for (const [at, result] of (await ask(store, ...right)).entries())
        assert.deepEqual(result, { ok: true, version: versions[at] });
      const wrong = HOSTILE_KEYS.map((key) => check(key, MANY));
      for (const [at, result] of (await ask(store, ...wrong)).entries())
        expectConflict(result, versions[at] ?? 0, { at });
    },
  },
  {
    name: "T7 a check that fails carries a large record whole, with its patches",
    needs: ["checks"],
    async run({ store }) {
      const text = "x".repeat(LARGE_CHARS);
      const patches: Patch[] = [{ op: "replace", path: ["n"], value: 2 }];
      await commitOk(store, write("k", 0, { n: 1, text }));
      await commitOk(store, write("k", 1, { n: 2, text }, { patches }));
      await expectVersion(store, "k", 2, { n: 2, text });
    },
  },
  {
    name: "T3 a deleted record keeps the version of its tombstone, also when it is re-created",
    needs: ["checks"],
    async run({ store }) {
      await commitOk(store, write("k", 0, { n: 1 }));
      await commitOk(store, write("k", 1, undefined));
      await expectVersion(store, "k", 2, undefined);
      await commitOk(store, write("k", 2, { n: 1 }));
      await expectVersion(store, "k", 3, { n: 1 });
    },
  },
  {
    name: "T3 an expired record keeps its version: it differs from one that was never written",
    needs: ["checks", "ttl"],
    async run({ store, advance }) {
      await lasting(TTL_MS, async (time, key) => {
        await commitOk(store, write(key, 0, { n: 1 }, { version: 4, ttlMs: TTL_MS }));
        await time.holds(() => expectVersion(store, key, 4, { n: 1 }));
        await advance(TTL_MS * 2);
        await expectVersion(store, key, 4, undefined);
        expectConflict(await commitOne(store, write(key, 0, { n: 9 })), 4, undefined);
        await commitOk(store, write(key, 4, { n: 2 }));
        await expectVersion(store, key, 5, { n: 2 });
      });
    },
  },
  {
    name: "T3 a checked version is the same after closing and opening again",
    needs: ["checks", "durable", "reopen"],
    async run({ store, reopen }) {
      await commitOk(store, write("a", 0, { n: 1 }));
      await commitOk(store, write("b", 0, { n: 1 }));
      await commitOk(store, write("b", 1, undefined));
      await store.close();
      const later = await reopen();
      await expectVersion(later, "a", 1, { n: 1 });
      await expectVersion(later, "b", 2, undefined);
    },
  },
  {
    name: "T7 an invalid version or key is refused, and nothing of its batch took effect",
    needs: ["checks"],
    async run({ store }) {
      // Not a key on purpose: the store must refuse it.
      const noKey = { key: 7, expectedVersion: 0 } as unknown as VersionCheck;
      for (const bad of [check("k", -1), check("k", 0.5), check("k", Number.NaN), noKey])
        await assert.rejects(store.commit([write("a", 0, 1)], { checks: [bad] }));
      assert.equal(await loadOne(store, "a"), undefined);
    },
  },
];
