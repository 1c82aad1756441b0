/** What PostgreSQL still does for calls that nobody waits for any longer. */
import { Pool } from "pg";
import { afterAll, describe, expect, it, onTestFinished } from "vitest";
import { PostgresConnection } from "../../../../src/stores/postgres/connection.ts";
import { postgresStore } from "../../../../src/stores/postgres/store.ts";
import type { PostgresStoreOptions } from "../../../../src/stores/postgres/options.ts";
import type { ScopeWrite, WriteResult } from "../../../../src/stores/contract.ts";
import {
  dropTables,
  findPostgres,
  freshTable,
  lockRow,
  runSql,
} from "../../../support/postgres.ts";
import { served } from "../../../support/waiting.ts";

const found = await findPostgres();
const url = found ?? "postgres://127.0.0.1/none";
const table = freshTable();

function step(key: string, version: number): ScopeWrite {
  return { key, expectedVersion: version - 1, version, state: { n: version } };
}

/** Commits a version by a store whose calls have time, which makes the tables as well. */
async function put(key: string, version = 1): Promise<WriteResult[]> {
  const store = postgresStore({ url, table, timeoutMs: 20_000 });
  const results = await store.commit([step(key, version)]);
  await store.close();
  return results;
}

/** The store's options by name: connections of its own, or a given pool. */
function optionsOf(kind: string): PostgresStoreOptions {
  if (kind === "url") return { url, table, timeoutMs: 1_500 };
  const pool = new Pool({ connectionString: url });
  onTestFinished(() => pool.end());
  return { pool, table, timeoutMs: 1_500 };
}

describe.skipIf(found === undefined)("at a row that somebody keeps", () => {
  afterAll(() => dropTables(url, table));

  it.each(["url", "pool"])("D3: a commit ends at the server too, by %s", async (kind) => {
    const key = `kept by ${kind}`;
    await put(key);
    const store = postgresStore(optionsOf(kind));
    const free = await lockRow(url, table, key);
    for (const atomic of [false, true, false])
      await expect(store.commit([step(key, 2)], { atomic })).rejects.toMatchObject({
        code: "STORE_UNAVAILABLE",
      });
    const [waiting] = await runSql(
      url,
      "SELECT count(*)::int AS n FROM pg_stat_activity " +
        `WHERE wait_event_type = 'Lock' AND query LIKE '%${table}_record%'`,
    );
    expect(waiting).toEqual({ n: 0 });
    await free();
    expect(await served(() => store.load([key]))).toEqual([{ version: 1, state: { n: 1 } }]);
    expect(await put(key, 2)).toEqual([{ ok: true, version: 2 }]);
    await store.close();
  });

  it("D3: the settings of a given pool's connections stay as they are", async () => {
    const pool = new Pool({ connectionString: url, max: 1 });
    onTestFinished(() => pool.end());
    const settings = async (): Promise<unknown> => {
      const text = "SELECT name, setting FROM pg_settings WHERE name ~ 'timeout' ORDER BY name";
      return (await pool.query<object>(text)).rows;
    };
    const before = await settings();
    const store = postgresStore({ pool, table });
    await store.commit([step("a", 1)]);
    await store.commit([step("a", 2)], { atomic: true });
    await store.exclusive?.("a", 1_000, async () => 1);
    await store.close();
    expect(await settings()).toEqual(before);
  });

  it("D3: a slow statement on a connection opened here is ended", async () => {
    await put("slow");
    const store = postgresStore({ url, table, poolSize: 1, timeoutMs: 1_500 });
    onTestFinished(() => store.close());
    await served(() => store.load(["slow"]));
    await runSql(
      url,
      `CREATE FUNCTION ${table}_slow() RETURNS trigger LANGUAGE plpgsql AS ` +
        "'BEGIN IF NEW.key = ''slow'' THEN PERFORM pg_sleep(600); END IF; RETURN NEW; END'; " +
        `CREATE TRIGGER slow BEFORE UPDATE ON ${table}_record ` +
        `FOR EACH ROW EXECUTE FUNCTION ${table}_slow()`,
    );
    onTestFinished(async () => {
      await runSql(url, `DROP FUNCTION ${table}_slow CASCADE`);
    });
    await expect(store.commit([step("slow", 2)])).rejects.toMatchObject({
      code: "STORE_UNAVAILABLE",
    });
    const [sleeping] = await runSql(
      url,
      "SELECT count(*)::int AS n FROM pg_stat_activity " +
        `WHERE wait_event = 'PgSleep' AND query LIKE '%${table}_record%'`,
    );
    expect(sleeping).toEqual({ n: 0 });
  });
});

describe.skipIf(found === undefined)("an answer that does not come", () => {
  it.each([
    ["é", /^2 bytes were sent and got no reply within 1000 ms$/],
    ["x".repeat(2 ** 20), /^1048576 bytes .* within 1000 ms; raise timeoutMs$/],
  ])("is told with the size of what was sent", async (value, message) => {
    const pool = new Pool({ connectionString: url });
    await pool.query("SELECT 1"); // Connects.
    const timeoutMs = 1_000;
    const link = new PostgresConnection({ url: undefined, pool, poolSize: 1, timeoutMs });
    const text = "SELECT pg_sleep(5), $1::text";
    const deadline = performance.now() + timeoutMs;
    const work = link.run((session) => session.query({ text }, [value]), deadline);
    await expect(work).rejects.toThrow(message);
    await link.close();
    await pool.end();
  });
});

describe("a server that cannot be had", () => {
  it.each([
    ["postgres://127.0.0.1:1/none", "ECONNREFUSED"],
    ["postgres://no-such-host.invalid/none", "no-such-host.invalid"],
  ])("%s is told with the reason", async (address, reason) => {
    const store = postgresStore({ url: address, timeoutMs: 500 });
    onTestFinished(() => store.close());
    await expect(store.load(["a"])).rejects.toMatchObject({
      code: "STORE_UNAVAILABLE",
      message: expect.stringContaining(reason),
    });
  });
});
