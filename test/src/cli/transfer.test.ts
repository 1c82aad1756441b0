/** Moving records over the contract of a store, between stores of different kinds. */
import * as fc from "fast-check";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { equal } from "../../../actors/state/equal.ts";
import type { Json } from "../../../actors/protocol.ts";
import {
  compareRecords,
  compareStores,
  exportRecords,
  HistoryLostError,
  importRecords,
} from "../../../src/cli/transfer.ts";
import { fileStore } from "../../../src/stores/file/store.ts";
import { memoryStore } from "../../../src/stores/memory/store.ts";
import { postgresStore } from "../../../src/stores/postgres/store.ts";
import { redisStore } from "../../../src/stores/redis/store.ts";
import { sqliteStore } from "../../../src/stores/sqlite/store.ts";
import type { ScopeWrite, StateStore } from "../../../src/stores/contract.ts";
import { simulatedClock } from "../../../src/testing/clock.ts";
import { collect } from "../../support/collect.ts";
import { command } from "../../support/command.ts";
import { testDirectory } from "../../support/directory.ts";
import { dropTables, findPostgres, freshTable } from "../../support/postgres.ts";
import { findRedis, testKeys } from "../../support/redis.ts";
import { jsonStates, propertyRuns } from "../../support/state-value.ts";
import { rejection } from "../../support/waiting.ts";

const redisUrl = (await findRedis()) ?? "";

const dir = testDirectory("transfer");
const all = { prefix: "", batch: 3 };
let made = 0;
const open: StateStore[] = [];

function keep(store: StateStore): StateStore {
  open.push(store);
  return store;
}

function sqlite(): StateStore {
  made += 1;
  return keep(sqliteStore({ path: join(dir, `${made}.db`), synchronous: "normal" }));
}

function file(): StateStore {
  made += 1;
  return keep(fileStore({ dir: join(dir, `${made}`), fsync: false }));
}

const keys = testKeys(redisUrl);

function redis(): StateStore {
  made += 1;
  const keyPrefix = `${keys.prefix}${made}:`;
  return keep(redisStore({ url: redisUrl, keyPrefix, appendfsync: "no" }));
}

const postgresUrl = await findPostgres();
const table = freshTable();

function postgres(): StateStore {
  made += 1;
  return keep(postgresStore({ url: postgresUrl ?? "", table: `${table}_${made}`, poolSize: 1 }));
}

afterEach(async () => {
  await Promise.all(open.splice(0).map((store) => store.close()));
});

async function put(store: StateStore, ...writes: readonly Partial<ScopeWrite>[]): Promise<void> {
  for (const write of writes) {
    const whole = { key: "k", expectedVersion: 0, version: 1, state: {}, ...write };
    expect(await store.commit([whole])).toEqual([{ ok: true, version: whole.version }]);
  }
}

/** Twenty records of different versions; some large, some mortal, some of odd keys. */
async function fill(store: StateStore): Promise<void> {
  const writes = Array.from({ length: 20 }, (_, n) => ({
    key: ["a/", "b/", "\ud800/", "é\u2028/", "\0"][n % 5] + String(n),
    version: 1 + n * 7,
    state: { n, text: "x".repeat(n === 7 ? 20_000 : n) },
    ...(n % 4 === 0 ? { ttlMs: 3_600_000 + n } : {}),
  }));
  await put(store, ...writes);
}

function differences(): { list: string[]; tell: (key: string, difference: string) => void } {
  const list: string[] = [];
  return { list, tell: (key, difference) => void list.push(`${key}: ${difference}`) };
}

type Make = () => StateStore;
const ways: [name: string, from: Make, to: Make][] = [
  ["sqlite to file", sqlite, file],
  ["file to sqlite", file, sqlite],
  ["sqlite to sqlite", sqlite, sqlite],
];
if (redisUrl !== "") {
  ways.push(["sqlite to redis", sqlite, redis], ["redis to file", redis, file]);
  afterAll(() => keys.remove());
}
if (postgresUrl !== undefined) {
  ways.push(["sqlite to postgres", sqlite, postgres], ["postgres to sqlite", postgres, sqlite]);
  afterAll(async () => {
    for (let n = 1; n <= made; n += 1) await dropTables(postgresUrl, `${table}_${n}`);
  });
}

describe.each(ways)("a copy from %s", (_name, from, to) => {
  it("V1, V3, V4: has every version, state and time, and is done when it is run again", async () => {
    const [source, target] = [from(), to()];
    await fill(source);
    const first = await importRecords(exportRecords(source, all), target);
    expect(first).toEqual({ moved: 20, present: 0, conflicts: 0, gone: 0 });
    const again = await importRecords(exportRecords(source, all), target);
    expect(again).toEqual({ moved: 0, present: 20, conflicts: 0, gone: 0 });
    const { list, tell } = differences();
    const strangers = "tell";
    const counts = await compareStores([source, target], { ...all, strangers }, tell);
    expect([counts, list]).toEqual([{ equal: 20, different: 0, gone: 0 }, []]);
    const [record] = await target.load(["a/0"]);
    expect(record).toMatchObject({ version: 1, state: { n: 0, text: "" } });
    expect(record?.leftMs).toBeGreaterThan(3_000_000);
    expect(record?.leftMs).toBeLessThanOrEqual(3_600_000);
  });
});

describe("a copy", () => {
  it("takes keys by their prefix", async () => {
    const [source, target] = [sqlite(), sqlite()];
    await fill(source);
    const selection = { prefix: "a/", batch: 100 };
    await importRecords(exportRecords(source, selection), target);
    const { list, tell } = differences();
    const strangers = "tell";
    const counts = await compareStores([source, target], { ...selection, strangers }, tell);
    expect([counts, list]).toEqual([{ equal: 4, different: 0, gone: 0 }, []]);
  });

  it("V2: leaves alone what is there with something else, a deleted key too", async () => {
    const [source, target] = [sqlite(), sqlite()];
    await put(source, ...["a", "b", "c", "d"].map((key) => ({ key, version: 5, state: { v: 1 } })));
    await put(target, { key: "a", version: 5, state: { v: 2 } }, { key: "b", version: 9 });
    await put(target, { key: "c", version: 2, state: undefined });
    const written = await importRecords(exportRecords(source, all), target);
    expect(written).toEqual({ moved: 1, present: 0, conflicts: 3, gone: 0 });
    const { list, tell } = differences();
    const counts = await compareRecords(exportRecords(source, all), target, tell);
    expect(counts).toEqual({ equal: 1, different: 3, gone: 0 });
    expect(list).toEqual([
      "a: version 5 has another state",
      "b: version 5 became 9",
      "c: version 5 became 2, deleted",
    ]);
    expect(await target.load(["a"])).toEqual([{ version: 5, state: { v: 2 } }]);
  });

  it("V3: goes on where the one before it ended", async () => {
    const [source, target] = [sqlite(), sqlite()];
    await fill(source);
    async function* half(): ReturnType<typeof exportRecords> {
      let left = 3;
      for await (const group of exportRecords(source, all)) {
        if (left-- === 0) throw new Error("cut off");
        yield group;
      }
    }
    await expect(importRecords(half(), target)).rejects.toThrow("cut off");
    const written = await importRecords(exportRecords(source, all), target);
    expect(written).toEqual({ moved: 11, present: 9, conflicts: 0, gone: 0 });
  });

  it("shows what the source wrote, made and deleted meanwhile", async () => {
    const [source, target] = [sqlite(), sqlite()];
    await put(source, { key: "a" }, { key: "b" }, { key: "c" });
    await importRecords(exportRecords(source, all), target);
    await put(source, { key: "a", expectedVersion: 1, version: 2 });
    await put(source, { key: "b", expectedVersion: 1, version: 2, state: undefined }, { key: "d" });
    await put(target, { key: "stranger" });
    const { list, tell } = differences();
    const selection = { ...all, strangers: "ignore" } as const;
    const counts = await compareStores([source, target], selection, tell);
    expect(counts).toEqual({ equal: 1, different: 3, gone: 0 });
    expect(list).toEqual([
      "a: version 2 became 1",
      "d: missing",
      "b: deleted in the first (version 2), version 1 in the second",
    ]);
  });

  it("of a record that expires meanwhile is no difference, on whichever side it goes first", async () => {
    const [early, late] = [simulatedClock(), simulatedClock()];
    const [source, target] = [memoryStore({ clock: early }), memoryStore({ clock: late })];
    await put(source, { key: "k", version: 4, ttlMs: 100 });
    const records = await collect(exportRecords(source, all));
    // The clocks are simulated; the time since the read is not.
    const groups = async function* (): ReturnType<typeof exportRecords> {
      for (const group of records)
        yield group.map((one) => Object.assign({}, one, { readAt: -100 }));
    };
    await importRecords(groups(), target);
    const selection = { ...all, strangers: "tell" } as const;
    const { list, tell } = differences();
    await early.advance(100);
    expect(await source.load(["k"])).toEqual([{ version: 4, state: undefined }]);
    await compareStores([source, target], selection, tell);
    await late.advance(100);
    await compareRecords(groups(), target, tell);
    const counts = await importRecords(groups(), target);
    expect(counts).toMatchObject({ present: 1, conflicts: 0, gone: 0 });
    expect(list).toEqual([]);
  });

  it("V4: takes a delete for no expiry, though the versions are the same", async () => {
    const [source, target] = [memoryStore(), memoryStore()];
    await put(source, { version: 2, ttlMs: 3_600_000 });
    await put(target, {}, { expectedVersion: 1, version: 2, state: undefined });
    const written = await importRecords(exportRecords(source, all), target);
    expect(written).toEqual({ moved: 0, present: 0, conflicts: 1, gone: 0 });
    const { list, tell } = differences();
    const strangers = "tell";
    const counts = await compareStores([source, target], { ...all, strangers }, tell);
    expect([counts, list]).toEqual([
      { equal: 0, different: 1, gone: 0 },
      ["k: version 2 is deleted"],
    ]);
  });

  it("V4: counts apart what a file cannot tell: expired there, or deleted", async () => {
    const [source, target] = [memoryStore(), memoryStore()];
    await put(source, { version: 2, ttlMs: 3_600_000 });
    await put(target, {}, { expectedVersion: 1, version: 2, state: undefined });
    const fromFile = async function* (): ReturnType<typeof exportRecords> {
      for await (const group of exportRecords(source, all))
        yield group.map((one) => Object.assign({}, one, { readAt: undefined }));
    };
    const written = await importRecords(fromFile(), target);
    expect(written).toEqual({ moved: 0, present: 0, conflicts: 0, gone: 1 });
    const { list, tell } = differences();
    const counts = await compareRecords(fromFile(), target, tell);
    expect([counts, list]).toEqual([{ equal: 0, different: 0, gone: 1 }, []]);
  });
});

describe("a comparison", () => {
  it.each([
    ["a state", { state: { v: 2 } }, "version 1 has another state"],
    ["a version", { version: 2 }, "version 1 became 2"],
    ["an end", { ttlMs: 60_000 }, "version 1 expires"],
  ])("sees %s that differs", async (_what, other, difference) => {
    const [a, b] = [sqlite(), sqlite()];
    await put(a, { state: { v: 1 } });
    await put(b, { state: { v: 1 }, ...other });
    const { list, tell } = differences();
    await compareStores([a, b], { ...all, strangers: "tell" }, tell);
    expect(list).toEqual([`k: ${difference}`]);
  });

  it("tells a stranger in the second store when asked to", async () => {
    const [a, b] = [sqlite(), sqlite()];
    await put(b, {});
    const { list, tell } = differences();
    await compareStores([a, b], { ...all, strangers: "tell" }, tell);
    expect(list).toEqual(["k: only in the second, version 1"]);
  });
});

it("any JSON state arrives equal", async () => {
  const [source, target] = [sqlite(), file()];
  let n = 0;
  // The generator makes JSON values only.
  const property = fc.asyncProperty(jsonStates, async (state) => {
    const prefix = `${(n += 1)}/`;
    await put(source, { key: `${prefix}k`, state: state as Json });
    const selection = { prefix, batch: 10 };
    await importRecords(exportRecords(source, selection), target);
    const [record] = await target.load([`${prefix}k`]);
    expect(equal(record?.state, JSON.parse(JSON.stringify(state)))).toBe(true);
  });
  await fc.assert(property, { numRuns: Math.min(propertyRuns, 100) });
});

describe("a history", () => {
  /** A store with two records; `b` was written last without its history. */
  async function written(): Promise<StateStore> {
    const store = sqlite();
    for (const key of ["a", "b"]) {
      const history = { add: [{ version: 1, at: 1, entry: "made" }], keep: {} };
      await store.commit([{ key, expectedVersion: 0, version: 1, state: { n: 1 }, history }]);
    }
    await store.commit([{ key: "b", expectedVersion: 1, version: 2, state: { n: 2 } }]);
    return store;
  }

  it("is not written into a store that keeps none, nor is its record", async () => {
    const inner = keep(memoryStore());
    const to: StateStore = {
      name: inner.name,
      supports: { ...inner.supports, history: false },
      load: (given) => inner.load(given),
      commit: (writes, options) => inner.commit(writes, options),
      list: (query) => inner.list(query),
      close: () => inner.close(),
    };
    const from = await written();
    const refused = await rejection(importRecords(exportRecords(from, all), to));
    expect(refused).toBeInstanceOf(HistoryLostError);
    expect(refused.message).toContain('the memory store keeps no histories, and "a" has one');
    expect(await collect(inner.list())).toEqual([]);
    await inner.commit([{ key: "a", expectedVersion: 0, version: 1, state: { n: 1 } }]);
    const { list, tell } = differences();
    await compareRecords(exportRecords(from, all), to, tell);
    expect(list.join()).toContain("has another history");
  });

  it("that ends before its record is left out, and copy and export say so", async () => {
    const told: string[] = [];
    const from = await written();
    const leftOut = (key: string): void => void told.push(key);
    const target = keep(memoryStore());
    await importRecords(exportRecords(from, { ...all, leftOut }), target);
    expect(told).toEqual(["b"]);
    expect(await target.history?.("a")).toHaveLength(1);
    expect(await target.history?.("b")).toEqual([]);
    const copied = await command(
      "copy",
      `sqlite:${join(dir, `${made}.db`)}`,
      `file:${join(dir, "copied")}`,
    );
    expect(copied.warnings).toEqual([
      'the history of "b" is left out: it ends before the version of its record, because a program ' +
        "without it wrote last",
    ]);
    expect(copied.isDone).toBe(true);
    const path = join(dir, "exported.jsonl");
    const exported = await command("export", `sqlite:${join(dir, `${made}.db`)}`, path);
    expect(exported.warnings).toHaveLength(1);
  });
});
