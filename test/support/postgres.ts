/** PostgreSQL for tests: the server of POSTGRES_URL, the one that runs here, or one for the run. */
import { Client } from "pg";
import { onTestFinished } from "vitest";
import { answers, postgresPrograms } from "./postgres-server.ts";
import { sharedPostgres } from "./shared.ts";

/** These tests do not crash it: a commit need not wait for the disk. */
const QUICK = "options=-c%20synchronous_commit%3Doff";
const HERE = `postgres://postgres@127.0.0.1:5432/test?${QUICK}`;

function none(): undefined {
  if (process.env["REQUIRE_SERVERS"] === "1") throw new Error("no PostgreSQL server to test with");
  console.log("skipped: no PostgreSQL server; set POSTGRES_URL or install one");
  return undefined;
}

/**
 * The URL of a server with a database to test in; `undefined` when there is none: one line says so,
 * or, with REQUIRE_SERVERS=1, the test file fails.
 */
export async function findPostgres(): Promise<string | undefined> {
  const given = process.env["POSTGRES_URL"];
  if (given !== undefined) return given;
  if (await answers(HERE)) return HERE;
  return postgresPrograms() === undefined ? none() : sharedPostgres();
}

/** True when a server of a test's own can be started; as `findPostgres` else. */
export function canStartPostgres(): boolean {
  if (postgresPrograms() !== undefined) return true;
  none();
  return false;
}

/** A name for tables nobody else has. */
export function freshTable(): string {
  return `t${process.pid}_${Math.random().toString(36).slice(2, 10)}`;
}

/** Runs SQL; gives the rows. */
export async function runSql(url: string, text: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url });
  client.on("error", () => undefined);
  await client.connect();
  try {
    const result = await client.query<Record<string, unknown>>(text);
    return result.rows;
  } finally {
    await client.end();
  }
}

/** Locks the row of `key` until the function it gives is called, or the test ends. */
export async function lockRow(
  url: string,
  table: string,
  key: string,
): Promise<() => Promise<void>> {
  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query("BEGIN");
  await client.query(`SELECT 1 FROM ${table}_record WHERE key = $1 FOR UPDATE`, [key]);
  let isOver = false;
  const free = async (): Promise<void> => {
    if (!isOver) await client.end();
    isOver = true;
  };
  onTestFinished(free);
  return free;
}

/** Stores whose tables are dropped at once: each table needs a lock, of which a server has few. */
const DROPPED_AT_ONCE = 20;

/** Removes the tables of stores. */
export async function dropTables(url: string, ...tables: readonly string[]): Promise<void> {
  const names = tables.flatMap((table) =>
    ["record", "patch", "history", "meta"].map((suffix) => `"${table}_${suffix}"`),
  );
  for (let at = 0; at < names.length; at += 4 * DROPPED_AT_ONCE) {
    const some = names.slice(at, at + 4 * DROPPED_AT_ONCE);
    await runSql(url, `DROP TABLE IF EXISTS ${some.join(", ")}`);
  }
}
