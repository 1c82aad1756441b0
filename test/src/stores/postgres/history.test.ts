/** The table of histories: what others change at the same time, what removes rows, older tables. */
import { Client } from "pg";
import { afterAll, describe, expect, it, onTestFinished } from "vitest";
import type { PostgresStoreOptions } from "../../../../src/stores/postgres/options.ts";
import { postgresSchema } from "../../../../src/stores/postgres/schema.ts";
import { postgresStore } from "../../../../src/stores/postgres/store.ts";
import type { ScopeWrite, StateStore } from "../../../../src/stores/contract.ts";
import { dropTables, findPostgres, freshTable, runSql } from "../../../support/postgres.ts";
import { describeHistoryRows } from "../../../suites/history-rows.ts";

const found = await findPostgres();
const url = found ?? "postgres://127.0.0.1/none";
const table = freshTable();
afterAll(() => found && dropTables(url, table));
/** Longer than it takes. */
const SOON = { timeout: 10_000 };

function open(options: Partial<PostgresStoreOptions> = {}): StateStore {
  const store = postgresStore({ url, table, ...options });
  onTestFinished(() => store.close());
  return store;
}

/** The write of a version, with a row. */
function write(key: string, version: number, more: Partial<ScopeWrite> = {}): ScopeWrite {
  const history = { add: [{ version, at: version, entry: { change: version } }], keep: {} };
  return { key, expectedVersion: version - 1, version, state: { version }, history, ...more };
}

async function count(from: "history" | "patch", key: string): Promise<number> {
  const rows = await runSql(url, `SELECT 1 FROM ${table}_${from} WHERE key = '${key}'`);
  return rows.length;
}

/** Another writer has made version 2 of `key`, and ends its transaction when told to. */
async function slowWriter(key: string): Promise<() => Promise<void>> {
  const client = new Client({ connectionString: url });
  await client.connect();
  onTestFinished(() => client.end());
  const rows = `SELECT key, 2, at, 2, start + size, size, entry FROM ${table}_history`;
  await client.query(`BEGIN; UPDATE ${table}_record SET version = 2 WHERE key = '${key}';
    INSERT INTO ${table}_history (key, version, at, seq, start, size, entry)
      ${rows} WHERE key = '${key}';
    INSERT INTO ${table}_patch VALUES ('${key}', 2, 1, '[]')`);
  return async () => {
    const waiting = `SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'
      AND query LIKE '%${table}_record%'`;
    await expect.poll(() => runSql(url, waiting), SOON).not.toEqual([]);
    await client.query("COMMIT");
  };
}

describe.skipIf(found === undefined)("histories in PostgreSQL", () => {
  it.each([false, true])("a row comes after one that was waited for, atomic %s", async (atomic) => {
    const key = `waits ${atomic}`;
    const store = open();
    await store.commit([write(key, 1)]);
    const finish = await slowWriter(key);
    const commit = store.commit([write(key, 3)], { atomic });
    await finish();
    expect(await commit).toEqual([{ ok: true, version: 3 }]);
    const rows = await runSql(
      url,
      `SELECT version::int, seq::int, start::int FROM ${table}_history WHERE key = '${key}'
        ORDER BY version`,
    );
    const [first, second, third] = rows.map(({ version, seq, start }) => [version, seq, start]);
    const { length } = JSON.stringify({ change: 1 });
    expect([first, second, third]).toEqual([
      [1, 1, 0],
      [2, 2, length],
      [3, 3, 2 * length],
    ]);
  });

  it("a delete removes a row that it waited for", async () => {
    const store = open();
    await store.commit([write("goes", 1)]);
    const finish = await slowWriter("goes");
    const commit = store.commit([write("goes", 3, { state: undefined, history: undefined })]);
    await finish();
    expect(await commit).toEqual([{ ok: true, version: 3 }]);
    expect(await count("history", "goes")).toBe(0);
  });

  it("an erase removes what a commit added that it waited for", async () => {
    const store = open();
    await store.commit([write("erased", 1)]);
    const finish = await slowWriter("erased");
    const erase = store.erase?.(["erased"]);
    await finish();
    expect(await erase).toEqual([true]);
    expect(await count("history", "erased")).toBe(0);
    expect(await count("patch", "erased")).toBe(0);
  });

  it("a sweep removes the rows of what has expired", async () => {
    const store = open();
    await store.commit([write("mortal", 1, { ttlMs: 60_000 })]);
    await runSql(url, `UPDATE ${table}_record SET expires = 1, forgets = 2 WHERE key = 'mortal'`);
    expect(await store.history?.("mortal")).toEqual([]);
    await store.load(["mortal"]);
    await expect.poll(() => count("history", "mortal"), SOON).toBe(0);
  });

  it("a row that an earlier release left is none of the next record", async () => {
    const store = open();
    await store.commit([write("left", 1)]);
    await runSql(url, `DELETE FROM ${table}_record WHERE key = 'left'`);
    expect(await store.history?.("left")).toEqual([]);
    const history = { add: [{ version: 1, at: 5, entry: "other" }], keep: {} };
    await store.commit([write("left", 1, { history })]);
    expect(await store.history?.("left")).toEqual(history.add);
  });

  it.each([
    ["that is no JSON", "entry = '[', size = 1"],
    ["that was cut", "entry = '1'"],
    ["with a state too much", "state = '{}'"],
  ])("a row %s is told as damage, beside a state that can be read", async (name, change) => {
    const store = open();
    const key = `damaged ${name}`;
    await store.commit([write(key, 1)]);
    await runSql(url, `UPDATE ${table}_history SET ${change} WHERE key = '${key}'`);
    const damage = { code: "CORRUPT_STATE", message: expect.stringContaining(key) };
    await expect(store.history?.(key)).rejects.toMatchObject(damage);
    expect(await store.load([key])).toEqual([{ version: 1, state: { version: 1 } }]);
  });

  it("the table is added to those of an earlier release", async () => {
    const older = freshTable();
    onTestFinished(() => dropTables(url, older));
    const first = open({ table: older });
    await first.commit([write("k", 1, { history: undefined })]);
    await runSql(url, `DROP TABLE ${older}_history`);
    const bound = open({ table: older, migrate: false });
    await expect(bound.load(["k"])).rejects.toThrow("run the text of postgresSchema() there");
    const next = open({ table: older });
    expect(await next.commit([write("k", 2)])).toEqual([{ ok: true, version: 2 }]);
    expect(await next.history?.("k")).toMatchObject([{ version: 2 }]);
    expect(await bound.load(["k"])).toMatchObject([{ version: 2 }]);
    await runSql(url, postgresSchema(older)); // Once more changes nothing.
    expect(await bound.history?.("k")).toMatchObject([{ version: 2 }]);
  });
});

if (found !== undefined)
  describeHistoryRows({
    name: "postgres",
    open: () => postgresStore({ url, table, poolSize: 1 }),
  });
