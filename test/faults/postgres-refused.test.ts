/** What a PostgreSQL server refuses for good: a typed error that says what to do, and no harm. */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { postgresSchema } from "../../src/stores/postgres/schema.ts";
import { postgresStore } from "../../src/stores/postgres/store.ts";
import type { PostgresStoreOptions } from "../../src/stores/postgres/options.ts";
import type { StateStore } from "../../src/stores/contract.ts";
import { canStartPostgres, freshTable, runSql } from "../support/postgres.ts";
import { type OwnPostgres, ownPostgres } from "../support/postgres-server.ts";

let server: OwnPostgres;
const write = { key: "k", expectedVersion: 0, version: 1, state: { n: 1 } };
const made = [{ ok: true, version: 1 }];

function open(options: PostgresStoreOptions): StateStore {
  const store = postgresStore({ timeoutMs: 2_000, ...options });
  onTestFinished(() => store.close());
  return store;
}

/** The address for another role, password or database. */
function urlOf(parts: { user?: string; password?: string; database?: string }): string {
  const { user = "postgres", password = "", database = "postgres" } = parts;
  return `postgres://${user}:${password}@127.0.0.1:${server.port}/${database}`;
}

/** What a call is refused with. */
function refusal(advice: string): object {
  return { code: "STORE_UNAVAILABLE", message: expect.stringContaining(advice) };
}

describe.skipIf(!canStartPostgres())("a server refuses", () => {
  beforeAll(async () => {
    server = await ownPostgres();
    await runSql(
      server.url,
      "CREATE ROLE app LOGIN PASSWORD 'right'; CREATE ROLE stranger LOGIN PASSWORD 'right';",
    );
  });
  afterAll(() => server.destroy());

  it("a wrong password, which the error does not repeat", async () => {
    const store = open({ url: urlOf({ user: "app", password: "wrong" }), table: freshTable() });
    const error: unknown = await store.commit([write]).catch((reason: unknown) => reason);
    expect(error).toMatchObject(refusal("check user and password"));
    expect(String(error)).not.toContain("wrong");
    await runSql(server.url, "ALTER ROLE app PASSWORD 'wrong'");
    await runSql(server.url, "GRANT CREATE ON SCHEMA public TO app");
    expect(await store.commit([write])).toEqual(made);
    await runSql(server.url, "ALTER ROLE app PASSWORD 'right'");
  });

  it("a database that is not there, until it is", async () => {
    const store = open({ url: urlOf({ database: "late" }) });
    await expect(store.load(["k"])).rejects.toMatchObject(refusal("create the database"));
    await runSql(server.url, "CREATE DATABASE late");
    expect(await store.commit([write])).toEqual(made);
  });

  it("a schema that is not there", async () => {
    const store = open({ url: server.url, table: "missing.holdfast" });
    await expect(store.commit([write])).rejects.toMatchObject(refusal("create the schema"));
    await runSql(server.url, "CREATE SCHEMA missing");
    expect(await store.commit([write])).toEqual(made);
    await store.watch?.(() => undefined);
  });

  it("writes while it is read-only; reads go on", async () => {
    await runSql(server.url, "CREATE DATABASE standby");
    const url = urlOf({ database: "standby" });
    await open({ url }).commit([write]);
    await runSql(server.url, "ALTER DATABASE standby SET default_transaction_read_only = on");
    const store = open({ url });
    expect(await store.load(["k"])).toEqual([{ version: 1, state: { n: 1 } }]);
    await expect(store.commit([write])).rejects.toMatchObject(refusal("connect to the primary"));
    await expect(store.exclusive?.("k", 100, async () => 1)).rejects.toMatchObject(
      refusal("connect to the primary"),
    );
  });

  it("tables that are missing, when they are not to be made", async () => {
    const table = freshTable();
    const store = open({ url: server.url, table, migrate: false });
    await expect(store.load(["k"])).rejects.toMatchObject(refusal("postgresSchema()"));
    await runSql(server.url, postgresSchema(table));
    await runSql(server.url, postgresSchema(table));
    expect(await store.commit([write])).toEqual(made);
  });

  it("a role without rights; one that may only use the tables is enough", async () => {
    const table = freshTable();
    await runSql(server.url, postgresSchema(table));
    const store = open({ url: urlOf({ user: "stranger", password: "right" }), table });
    await expect(store.commit([write])).rejects.toMatchObject(refusal("grant the role"));
    await runSql(
      server.url,
      ["record", "patch", "history", "meta"]
        .map((name) => `GRANT SELECT, INSERT, UPDATE, DELETE ON ${table}_${name} TO stranger`)
        .join("; "),
    );
    expect(await store.commit([write])).toEqual(made);
    expect(await store.exclusive?.("k", 1_000, async () => 1)).toBe(1);
    await (
      await store.watch?.(() => undefined)
    )?.();
  });

  it("tables of a newer version, and leaves them alone", async () => {
    const table = freshTable();
    await runSql(server.url, postgresSchema(table));
    await runSql(server.url, `UPDATE ${table}_meta SET value = 99`);
    const store = open({ url: server.url, table });
    await expect(store.commit([write])).rejects.toMatchObject(refusal("version 99"));
    expect(await runSql(server.url, `SELECT value::int FROM ${table}_meta`)).toEqual([
      { value: 99 },
    ]);
  });

  it.each([
    ["meta", "(id int)"],
    ["meta", "(name text, value text)"],
    ["record", "(id int, payload text)"],
    ["patch", "(key text, version bigint)"],
    ["history", "(key text, version bigint)"],
  ])("somebody else's table %s %s, and leaves it alone", async (name, columns) => {
    const table = freshTable();
    await runSql(server.url, `CREATE TABLE ${table}_${name} ${columns}`);
    const store = open({ url: server.url, table });
    await expect(store.commit([write])).rejects.toMatchObject(refusal("choose another name"));
    const tables = await runSql(
      server.url,
      `SELECT count(*)::int AS n FROM pg_tables WHERE tablename LIKE '${table}%'`,
    );
    expect(tables).toEqual([{ n: name === "patch" || name === "history" ? 4 : 1 }]);
  });

  it("calls after its tables were dropped, until they are back", async () => {
    const table = freshTable();
    const store = open({ url: server.url, table });
    await store.commit([write]);
    await runSql(server.url, `DROP TABLE ${table}_record`);
    await expect(store.load(["k"])).rejects.toMatchObject(refusal("restore what was dropped"));
    await expect(store.commit([write])).rejects.toMatchObject(refusal("restore what was dropped"));
    await runSql(server.url, postgresSchema(table));
    expect(await store.commit([write])).toEqual(made);
  });

  it("nothing to eight stores that start at once: one makes the tables", async () => {
    const table = freshTable();
    const stores = Array.from({ length: 8 }, () => open({ url: server.url, table, poolSize: 1 }));
    const results = await Promise.all(stores.map((store) => store.commit([write])));
    expect(results.filter(([result]) => result?.ok === true)).toHaveLength(1);
  });

  it("no commits for want of connections: they wait until there is one", async () => {
    await runSql(server.url, "CREATE ROLE one LOGIN CONNECTION LIMIT 1 PASSWORD 'right'");
    const table = freshTable();
    await runSql(server.url, postgresSchema(table));
    await runSql(
      server.url,
      ["record", "patch", "history", "meta"]
        .map((name) => `GRANT SELECT, INSERT, UPDATE, DELETE ON ${table}_${name} TO one`)
        .join("; "),
    );
    const url = urlOf({ user: "one", password: "right" });
    const first = postgresStore({ url, table, poolSize: 1 });
    await first.load(["k"]);
    const second = open({ url, table, poolSize: 1, timeoutMs: 10_000 });
    const waiting = second.commit([write]);
    await sleep(100);
    await first.close();
    expect(await waiting).toEqual(made);
  });

  it("a promise it cannot keep: weak settings are told once", async () => {
    const lines: string[] = [];
    const logger = { warn: (line: string) => void lines.push(line), error: () => undefined };
    await runSql(server.url, "CREATE DATABASE weak");
    await runSql(server.url, "ALTER DATABASE weak SET synchronous_commit = off");
    const store = open({ url: urlOf({ database: "weak" }), logger });
    await store.commit([write]);
    await store.load(["k"]);
    expect(lines).toEqual([expect.stringContaining("synchronous_commit off")]);
  });
});
