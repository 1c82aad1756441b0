import { Pool } from "pg";
import { afterAll, describe, onTestFinished } from "vitest";
import { postgresStore } from "../../../src/stores/postgres/store.ts";
import { dropTables, findPostgres, freshTable } from "../../support/postgres.ts";
import { describeRuntime } from "../../suites/runtime-suite.ts";

/** The rows of earlier tests stay as dead ones, which each read of a table passes. */
const TESTS_PER_TABLE = 20;

const url = await findPostgres();

/** Gives tables by the ids of data. A server takes longer to make and drop some than most tests take. */
function tablesAt(server: string): (id: string) => string {
  const pool = new Pool({ connectionString: server, max: 1 });
  const used = new Map<string, number>();
  const free: string[] = [];
  const byId = new Map<string, string>();
  afterAll(async () => {
    await pool.end();
    await dropTables(server, ...used.keys());
  }, 120_000);
  return (id) => {
    const known = byId.get(id);
    if (known !== undefined) return known;
    const table = free.pop() ?? freshTable();
    const uses = (used.get(table) ?? 0) + 1;
    used.set(table, uses);
    byId.set(id, table);
    // The runtimes of the test, opened later, are closed before.
    onTestFinished(async () => {
      if (uses === TESTS_PER_TABLE) return;
      await pool.query(`DO $$ BEGIN IF to_regclass('"${table}_meta"') IS NOT NULL THEN
        DELETE FROM "${table}_record"; DELETE FROM "${table}_patch"; DELETE FROM "${table}_history";
        END IF; END $$`);
      free.push(table);
    });
    return table;
  };
}

if (url === undefined) describe.skip("a runtime on postgres", () => undefined);
else {
  const tableOf = tablesAt(url);
  describeRuntime({
    name: "postgres",
    several: true,
    watched: true,
    ownClock: true,
    history: true,
    open: (id) => postgresStore({ url, table: tableOf(id), poolSize: 3 }),
  });
}
