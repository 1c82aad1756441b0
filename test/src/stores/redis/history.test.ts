/** The list that a history is in Redis: its rows, when it goes, its damage, and its size. */
import { Redis } from "ioredis";
import { afterAll, describe, expect, it, onTestFinished } from "vitest";
import { redisStore } from "../../../../src/stores/redis/store.ts";
import type { HistoryKeep, ScopeWrite, StateStore } from "../../../../src/stores/contract.ts";
import { findRedis, testKeys } from "../../../support/redis.ts";
import { describeHistoryRows } from "../../../suites/history-rows.ts";

const redisUrl = (await findRedis()) ?? "";
const keys = redisUrl === "" ? undefined : testKeys(redisUrl);
afterAll(() => keys?.remove());

/** The write of a version, with a row. */
function write(
  version: number,
  more: Partial<ScopeWrite> = {},
  keep: HistoryKeep = {},
): ScopeWrite {
  const history = { add: [{ version, at: version, entry: { change: version } }], keep };
  return { key: "k", expectedVersion: version - 1, version, state: { version }, history, ...more };
}

describe.skipIf(keys === undefined)("a history in Redis", () => {
  const admin = new Redis(redisUrl, { lazyConnect: true });
  afterAll(() => admin.disconnect());
  let last = 0;
  const fresh = (): { store: StateStore; list: string; head: string } => {
    const keyPrefix = `${keys?.prefix}${(last += 1)}:`;
    const store = redisStore({ url: redisUrl, keyPrefix, appendfsync: "no" });
    onTestFinished(() => store.close());
    return { store, list: `${keyPrefix}{k}:history`, head: `${keyPrefix}{k}` };
  };

  it("expires with its record, and stays with one that stays", async () => {
    const { store, list, head } = fresh();
    const ttlMs = 60_000;
    await store.commit([write(1, { ttlMs })]);
    const [first, ofHead] = [await admin.pttl(list), await admin.pttl(head)];
    expect(first).toBeGreaterThan(ttlMs);
    expect(first).toBeLessThan(ofHead);
    await store.commit([write(2, { ttlMs: 10 * ttlMs, history: undefined })]);
    expect(await admin.pttl(list)).toBeGreaterThan(5 * ttlMs);
    await store.commit([write(3, { history: undefined })]);
    expect(await admin.pttl(list)).toBe(-1);
    expect((await store.history?.("k"))?.map(({ version }) => version)).toEqual([1]);
  });

  it("has no key after a delete, and none where none is kept", async () => {
    const { store, list } = fresh();
    await store.commit([write(1, { history: undefined })]);
    expect(await admin.exists(list)).toBe(0);
    await store.commit([write(2)]);
    expect(await admin.llen(list)).toBe(1);
    await store.commit([write(3, { state: undefined })]);
    expect(await admin.exists(list)).toBe(0);
    // A release that knew no histories may have left one behind a tombstone.
    await admin.rpush(list, "1 1 1 0 4\nnull");
    await store.commit([write(4)]);
    expect(await admin.llen(list)).toBe(1);
  });

  it.each([
    ["a row of others", (list: string) => admin.rpush(list, "row")],
    ["a row that is too short", (list: string) => admin.rpush(list, "3 3 3 28 9\nnull")],
    ["a row that is no JSON", (list: string) => admin.rpush(list, "3 3 3 28 2\n[[")],
    ["a text in its place", (list: string) => admin.set(list, "text")],
  ])("with %s is told as damage, beside a state that can be read", async (name, spoil) => {
    const { store, list } = fresh();
    await store.commit([write(1)]);
    await store.commit([write(2)]);
    await spoil(list);
    const damage = { code: "CORRUPT_STATE", message: expect.stringContaining("{k}") };
    await expect(store.history?.("k")).rejects.toMatchObject(damage);
    expect((await store.load(["k"]))[0]).toEqual({ version: 2, state: { version: 2 } });
    if (name.startsWith("a row that is")) return;
    // What a row comes after must be known.
    await expect(store.commit([write(3)])).rejects.toMatchObject(damage);
    expect((await store.load(["k"]))[0]?.version).toBe(2);
    expect(await store.erase?.(["k"])).toEqual([true]);
    expect(await admin.exists(list)).toBe(0);
  });

  it("takes less than 100 bytes of memory for a row, beside its JSON", async () => {
    const { store, list } = fresh();
    const count = 1_000;
    const entry = "x".repeat(300);
    const add = Array.from({ length: count }, (_, at) => {
      const version = 1_000_000 + at;
      return { version, at: 1_700_000_000_000 + at, entry };
    });
    const version = 1_000_000 + count - 1;
    await store.commit([write(1, { version, history: { add, keep: {} } })]);
    const used = Number(await admin.memory("USAGE", list, "SAMPLES", 0));
    expect(used / count - JSON.stringify(entry).length).toBeLessThan(100);
  });
});

if (keys !== undefined)
  describeHistoryRows({
    name: "redis",
    open: () => redisStore({ url: redisUrl, keyPrefix: keys.prefix, appendfsync: "no" }),
  });
