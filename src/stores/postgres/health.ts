/**
 * Looks at a PostgreSQL server: its version, its clock, and what it keeps of one store. The store
 * checks its settings.
 */
import type { Client as PostgresClient } from "pg";
import { clockFinding, type Finding } from "../shared/finding.ts";
import { loadDriver } from "./connection.ts";
import { isMissingTable } from "./errors.ts";
import { NOW } from "./fragments.ts";
import { DEFAULT_TABLE, SCHEMA_VERSION, tablesOf } from "./schema.ts";

const WAIT_MS = 10_000;

/** Looks at the server, and at the tables of `table`; rejects when it is away. */
export async function postgresHealth(
  url: string,
  table: string = DEFAULT_TABLE,
): Promise<Finding[]> {
  const { Client } = await loadDriver();
  const client = new Client({ connectionString: url, connectionTimeoutMillis: WAIT_MS });
  client.on("error", () => undefined); // The calls reject.
  try {
    await client.connect();
    const before = Date.now();
    const { rows } = await client.query<{ now: string; version: string }>(
      "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::text AS now, " +
        "current_setting('server_version') AS version",
    );
    const clock = clockFinding(Number(rows[0]?.now), before, Date.now());
    const version: Finding = {
      name: "postgres",
      level: "info",
      text: `version ${rows[0]?.version}`,
    };
    return [version, clock, ...(await keptFindings(client, table))];
  } finally {
    await client.end();
  }
}

/** The version of the tables, and what is in them; none when there are no tables. */
async function keptFindings(client: PostgresClient, table: string): Promise<Finding[]> {
  const { meta, record } = tablesOf(table);
  const query =
    `SELECT (SELECT value FROM ${meta} WHERE name = 'schema') AS schema, ` +
    "count(*) FILTER (WHERE version > 0 AND state IS NULL) AS tombstones, " +
    `count(*) FILTER (WHERE lease IS NOT NULL AND lease_until > ${NOW}) AS leases, ` +
    `pg_size_pretty(pg_database_size(current_database())) AS size FROM ${record}`;
  try {
    const { rows } =
      await client.query<Record<"schema" | "tombstones" | "leases" | "size", string>>(query);
    const { schema = "0", tombstones = "", leases = "", size = "" } = rows[0] ?? {};
    return [
      {
        name: "tables",
        level: Number(schema) > SCHEMA_VERSION ? "error" : "ok",
        text: `version ${schema}, this library writes ${SCHEMA_VERSION}`,
      },
      { name: "tombstones", level: "info", text: tombstones },
      { name: "leases", level: "info", text: leases },
      { name: "disk", level: "info", text: `the database has ${size}` },
    ];
  } catch (error) {
    if (isMissingTable(error)) return [];
    throw error;
  }
}
