/** What a watcher of PostgreSQL hears when much happens at once, or not in order. */
import { setTimeout as sleep } from "node:timers/promises";
import { Client, Pool } from "pg";
import { afterAll, afterEach, describe, expect, it, onTestFinished } from "vitest";
import { CHANGES_MAX } from "../../../../src/stores/postgres/sql.ts";
import { postgresStore } from "../../../../src/stores/postgres/store.ts";
import type { PostgresStoreOptions } from "../../../../src/stores/postgres/options.ts";
import type { StateStore } from "../../../../src/stores/contract.ts";
import { dropTables, findPostgres, freshTable, runSql } from "../../../support/postgres.ts";
import { until } from "../../../support/waiting.ts";

const found = await findPostgres();
const url = found ?? "postgres://127.0.0.1/none";
const table = freshTable();

type Store = StateStore & Required<Pick<StateStore, "watch">>;

function open(options: Partial<PostgresStoreOptions> = { url }): Store {
  const store = postgresStore({ table, ...options });
  onTestFinished(() => store.close());
  // This kind of store has it.
  return store as Store;
}

/** What a watcher heard. */
interface Observed {
  readonly keys: Set<string>;
  missed: number;
  stop: () => Promise<void>;
}

async function listen(store: Store): Promise<Observed> {
  const observed: Observed = { keys: new Set(), missed: 0, stop: async () => undefined };
  observed.stop = await store.watch(
    (key) => observed.keys.add(key),
    () => (observed.missed += 1),
  );
  return observed;
}

/** Commits new keys one after another, each when the one before was heard. */
async function marks(store: StateStore, observed: Observed, count = 3): Promise<void> {
  for (let n = 1; n <= count; n += 1) {
    const key = `mark ${Math.random()}`;
    await store.commit([{ key, expectedVersion: 0, version: 1, state: n }]);
    await until(() => observed.keys.has(key));
  }
}

/** Rows as another owner would write them, more than a look takes. */
function flood(changed: string): string {
  return (
    `INSERT INTO ${table}_record (key, version, state, ops, base_version, base_size, changed) ` +
    `SELECT 'f' || random(), 1, '{}', ARRAY['0.aaaa-1@0'], 1, 2, ${changed} ` +
    `FROM generate_series(1, ${CHANGES_MAX + 10})`
  );
}

describe.skipIf(found === undefined)("a watcher", () => {
  afterEach(async () => {
    await runSql(url, `DELETE FROM ${table}_record`);
  });
  afterAll(() => dropTables(url, table));

  it("is not told of restored rows whose numbers are still to come", async () => {
    const [watching, writing] = [open(), open()];
    await writing.load(["k"]);
    const ahead = "(pg_current_xact_id()::text::bigint + 1000000000)::text::xid8";
    await runSql(url, flood(ahead));
    const observed = await listen(watching);
    await marks(writing, observed);
    expect(observed.missed).toBe(0);
    expect(observed.keys.size).toBe(3);
  });

  it("C3: missed something when too much happens, and once more when all that is over", async () => {
    const [watching, writing] = [open(), open()];
    const observed = await listen(watching);
    const long = new Client({ connectionString: url });
    await long.connect();
    await long.query("BEGIN");
    await long.query(
      `INSERT INTO ${table}_record (key, version, state, ops, base_version, base_size, changed) ` +
        "VALUES ('long', 1, '{}', ARRAY['0.aaaa-1@0'], 1, 2, pg_current_xact_id())",
    );
    await runSql(url, flood("pg_current_xact_id()"));
    await until(() => observed.missed === 1);
    await marks(writing, observed);
    expect(observed.missed).toBe(1);
    await long.query("COMMIT");
    await long.end();
    await until(() => observed.missed === 2);
    await marks(writing, observed);
    expect(observed.missed).toBe(2);
  });

  it("who begins while the last one leaves is told", async () => {
    const [watching, writing] = [open(), open()];
    const first = await listen(watching);
    const beginning = listen(watching);
    await first.stop();
    const observed = await beginning;
    await marks(writing, observed);
    await observed.stop();
    const again = await listen(watching);
    await marks(writing, again);
  });

  it("who throws, or whose promise rejects, harms nobody", async () => {
    const lines: unknown[] = [];
    const logger = {
      warn: () => undefined,
      error: (_line: string, fields?: object) => {
        lines.push(fields);
        throw new Error("the logger fails as well");
      },
    };
    const [watching, writing] = [open({ url, logger }), open()];
    await watching.watch(() => {
      throw new RangeError("secret");
    });
    // The type allows it: what gives something may stand where nothing is expected.
    const rejecting: () => unknown = async () => Promise.reject(new TypeError("secret"));
    await watching.watch(rejecting);
    const observed = await listen(watching);
    await marks(writing, observed, 1);
    await until(() => lines.length === 2);
    expect(lines).toEqual([{ error: "RangeError" }, { error: "TypeError" }]);
  });

  it("is refused when the pool's hooks lead to other tables than its options", async () => {
    await open().load(["k"]);
    const schema = `${table}_schema`;
    await runSql(url, `CREATE SCHEMA ${schema}`);
    onTestFinished(async () => {
      await runSql(url, `DROP SCHEMA ${schema} CASCADE`);
    });
    const pool = new Pool({ connectionString: url, application_name: schema });
    pool.on("connect", (client) => {
      client.query(`SET search_path TO ${schema}`).catch(() => undefined);
    });
    const store = postgresStore({ pool, table });
    await expect(store.watch?.(() => undefined)).rejects.toMatchObject({
      code: "STORE_UNAVAILABLE",
      message: expect.stringContaining("name the schema"),
    });
    await store.close();
    await pool.end();
    const connections = async (): Promise<number> => {
      const text = `SELECT 1 FROM pg_stat_activity WHERE application_name = '${schema}'`;
      return (await runSql(url, text)).length;
    };
    for (let round = 0; round < 200 && (await connections()) > 0; round += 1) await sleep(10);
    expect(await connections()).toBe(0);
  });
});
