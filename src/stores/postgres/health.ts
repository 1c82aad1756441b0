/** Looks at a PostgreSQL server: its version and clock. Its settings are checked by the store. */
import { clockFinding, type Finding } from "../shared/finding.ts";
import { loadDriver } from "./connection.ts";

const WAIT_MS = 10_000;

/** Looks at the server; rejects when it cannot be reached. */
export async function postgresHealth(url: string): Promise<Finding[]> {
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
    return [{ name: "postgres", level: "info", text: `version ${rows[0]?.version}` }, clock];
  } finally {
    await client.end();
  }
}
