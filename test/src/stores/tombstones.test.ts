/** Ids that are used once leave nothing in any store, once their tombstones are over. */
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Redis } from "ioredis";
import { describe, expect, it, onTestFinished } from "vitest";
import { fileStore } from "../../../src/stores/file/store.ts";
import { memoryStore } from "../../../src/stores/memory/store.ts";
import { postgresSchema } from "../../../src/stores/postgres/schema.ts";
import { postgresStore } from "../../../src/stores/postgres/store.ts";
import { redisStore } from "../../../src/stores/redis/store.ts";
import { openDatabase } from "../../../src/stores/sqlite/driver.ts";
import { sqliteStore } from "../../../src/stores/sqlite/store.ts";
import type { StateStore } from "../../../src/stores/contract.ts";
import { simulatedClock, type SimulatedClock } from "../../../src/testing/clock.ts";
import { testDirectory } from "../../support/directory.ts";
import { dropTables, findPostgres, freshTable, runSql } from "../../support/postgres.ts";
import { findRedis, testKeys } from "../../support/redis.ts";

const dir = testDirectory("tombstones");
const postgresUrl = await findPostgres();
const redisUrl = await findRedis();
const CODES = 5_000;
const SHORT_MS = 300;
const START_MS = 1_000_000;
const WEEK_MS = 604_800_000;
const WAIT_MS = 60_000;
const TEST_MS = 90_000;

/** Writes codes by phone number: half expires, half is deleted when used. */
async function useCodes(store: StateStore): Promise<void> {
  const keys = Array.from({ length: CODES }, (_, n) => `holdfast/code/+49170${1_000_000 + n}`);
  for (let at = 0; at < CODES; at += 500) {
    const part = keys.slice(at, at + 500);
    const writes = part.map((key, n) => {
      const ttlMs = n % 2 === 0 ? SHORT_MS : undefined;
      return { key, expectedVersion: 0, version: 1, state: { code: n }, ttlMs };
    });
    await store.commit(writes);
    const used = writes.filter(({ ttlMs }) => ttlMs === undefined);
    await store.commit(
      used.map(({ key }) => ({ key, expectedVersion: 1, version: 2, state: undefined })),
    );
  }
}

/** Uses the store a little until nothing is left. */
async function untilEmpty(store: StateStore, left: () => Promise<number> | number): Promise<void> {
  const end = performance.now() + WAIT_MS;
  let count = await left();
  while (count > 0 && performance.now() < end) {
    await store.load(["other"]);
    await new Promise((resolve) => {
      setTimeout(resolve, 100);
    });
    count = await left();
  }
  expect(count).toBe(0);
}

describe(`${CODES} codes leave nothing`, { timeout: TEST_MS }, () => {
  const pass = (clock: SimulatedClock): void => clock.setTime(clock.now() + WEEK_MS + SHORT_MS);

  it("in a memory store", async () => {
    const clock = simulatedClock(START_MS);
    const store = memoryStore({ clock });
    onTestFinished(() => store.close());
    await useCodes(store);
    pass(clock);
    const keys = Array.from({ length: CODES }, (_, n) => `holdfast/code/+49170${1_000_000 + n}`);
    const left = async () => (await store.load(keys)).filter((found) => found).length;
    expect(await left()).toBe(CODES);
    await untilEmpty(store, left);
  });

  it("in a file store, also when it was closed meanwhile", async () => {
    const clock = simulatedClock(START_MS);
    const place = join(dir, "codes");
    const records = () => readdirSync(join(place, "records")).length;
    const first = fileStore({ dir: place, clock, fsync: false });
    await useCodes(first);
    await first.close();
    expect(records()).toBe(CODES);
    pass(clock);
    const store = fileStore({ dir: place, clock, fsync: false });
    onTestFinished(() => store.close());
    await untilEmpty(store, records);
    rmSync(place, { recursive: true });
  });

  it("in a SQLite store, also when it was closed meanwhile", async () => {
    const clock = simulatedClock(START_MS);
    const path = join(dir, "codes.db");
    const first = sqliteStore({ path, clock, synchronous: "normal" });
    await useCodes(first);
    await first.close();
    pass(clock);
    const store = sqliteStore({ path, clock, synchronous: "normal" });
    onTestFinished(() => store.close());
    const look = openDatabase(path);
    onTestFinished(() => void look.close());
    const count = look.prepare("SELECT count(*) AS n FROM holdfast_record");
    await untilEmpty(store, () => (count.get() as { n: number }).n);
  });
});

// They mostly wait for the time after which a server may remove something.
describe.concurrent(`${CODES} codes leave nothing at a server`, { timeout: TEST_MS }, () => {
  it.skipIf(redisUrl === undefined)("in Redis: neither records nor its index", async (test) => {
    const keys = testKeys(redisUrl ?? "");
    test.onTestFinished(() => keys.remove());
    const keyPrefix = `${keys.prefix}codes:`;
    const options = {
      url: redisUrl,
      keyPrefix,
      appendfsync: "no",
      tombstoneMs: SHORT_MS,
    } as const;
    const store = redisStore({ ...options, timeoutMs: 3_000 });
    const client = new Redis(redisUrl ?? "");
    test.onTestFinished(async () => {
      await store.close();
      client.disconnect();
    });
    await useCodes(store);
    // Those used first may be gone by now.
    expect(await client.zcard(`${keyPrefix}index`)).toBeGreaterThan(0);
    await untilEmpty(store, async () => (await client.keys(`${keyPrefix}*`)).length);
  });

  it.skipIf(postgresUrl === undefined)("in PostgreSQL: no row is left", async (test) => {
    const url = postgresUrl ?? "";
    const table = freshTable();
    const store = postgresStore({ url, table, tombstoneMs: SHORT_MS, timeoutMs: 3_000 });
    test.onTestFinished(async () => {
      await store.close();
      await dropTables(url, table);
    });
    await useCodes(store);
    const count = `SELECT count(*) AS n FROM ${table}_record`;
    await untilEmpty(store, async () => Number((await runSql(url, count))[0]?.["n"]));
  });
});

describe("what an earlier release deleted goes as well", () => {
  it("from a SQLite file without the column", async () => {
    const path = join(dir, "older.db");
    const clock = simulatedClock(START_MS);
    const first = sqliteStore({ path, clock });
    await first.commit([{ key: "k", expectedVersion: 0, version: 4, state: undefined }]);
    await first.commit([{ key: "stays", expectedVersion: 0, version: 1, state: 1 }]);
    await first.close();
    const database = openDatabase(path);
    database.exec(
      "PRAGMA journal_mode = DELETE; DROP INDEX holdfast_record_forgets; " +
        "ALTER TABLE holdfast_record DROP COLUMN forgets",
    );
    database.close();
    const store = sqliteStore({ path, clock });
    onTestFinished(() => store.close());
    expect((await store.load(["k"]))[0]).toEqual({ version: 4, state: undefined });
    clock.setTime(clock.now() + WEEK_MS);
    await untilEmpty(store, async () => ((await store.load(["k"]))[0] === undefined ? 0 : 1));
    expect((await store.load(["stays"]))[0]?.version).toBe(1);
  });

  it.skipIf(postgresUrl === undefined)("from tables of PostgreSQL without it", async () => {
    const url = postgresUrl ?? "";
    const table = freshTable();
    onTestFinished(() => dropTables(url, table));
    const first = postgresStore({ url, table });
    await first.commit([{ key: "k", expectedVersion: 0, version: 4, state: undefined }]);
    await first.close();
    await runSql(url, `ALTER TABLE ${table}_record DROP COLUMN forgets`);
    const bound = postgresStore({ url, table, migrate: false });
    await expect(bound.load(["k"])).rejects.toThrow("run the text of postgresSchema() there");
    await bound.close();
    await runSql(url, postgresSchema(table));
    const now = postgresStore({ url, table, migrate: false });
    onTestFinished(() => now.close());
    expect((await now.load(["k"]))[0]).toEqual({ version: 4, state: undefined });
    const [row] = await runSql(url, `SELECT forgets FROM ${table}_record`);
    const inMs = Number(row?.["forgets"]) - Date.now();
    expect(Math.abs(inMs - WEEK_MS)).toBeLessThan(60_000);
    await runSql(url, postgresSchema(table)); // Once more changes nothing.
  });
});
