/** Records by hand on PostgreSQL: a row per key, prepared statements, a pool of 16. */
import { Pool } from "pg";
import { found, type Records } from "./rows.ts";
import type { Site } from "./site.ts";

const POOL_SIZE = 16;

/** Opens a pool and makes the table of a place; `columns` follow the key. */
export async function openTable(
  { url, path }: Site,
  suffix: string,
  columns: string,
): Promise<{ readonly pool: Pool; readonly table: string }> {
  const pool = new Pool({ connectionString: url, max: POOL_SIZE });
  // Idle connections may be cut when the bench removes its database; a query in work rejects.
  pool.on("error", () => undefined);
  const table = `${path}_${suffix}`;
  // Several processes may come at once, and IF NOT EXISTS alone does not stand that.
  await pool.query(
    `BEGIN; SELECT pg_advisory_xact_lock(1);
     CREATE TABLE IF NOT EXISTS ${table} (key text PRIMARY KEY, ${columns}); COMMIT`,
  );
  return { pool, table };
}

/** Opens the records of a place. */
export async function postgresRecords(site: Site): Promise<Records> {
  const { pool, table } = await openTable(site, "bare", "version bigint, state text");
  const text = {
    create: `INSERT INTO ${table} SELECT key, 1, $2 FROM unnest($1::text[]) AS key`,
    read: `SELECT version, state AS text FROM ${table} WHERE key = $1`,
    replace: `UPDATE ${table} SET version = version + 1, state = $3
      WHERE key = $1 AND version = $2`,
    overwrite: `UPDATE ${table} SET state = $2 WHERE key = $1`,
  };
  return {
    async create(keys, state) {
      await pool.query(text.create, [keys, state]);
    },
    async read(key) {
      // A bigint arrives as text.
      const { rows } = await pool.query<{ version: string; text: string }>({
        name: "read",
        text: text.read,
        values: [key],
      });
      const [row] = rows;
      return found(row && { version: Number(row.version), text: row.text });
    },
    async replace(key, expected, state) {
      const values = [key, expected, state];
      const { rowCount } = await pool.query({ name: "replace", text: text.replace, values });
      return rowCount === 1;
    },
    async overwrite(key, state) {
      await pool.query({ name: "overwrite", text: text.overwrite, values: [key, state] });
    },
    close: () => pool.end(),
  };
}
