/** Competitors that only PostgreSQL has: its row locks and its own arithmetic. */
import type { Pool } from "pg";
import type { Increment } from "./by-hand.ts";
import type { Competitor } from "./competitor.ts";
import { openTable } from "./postgres-records.ts";

/** A competitor on a table with a number per key. */
function onTable(name: string, make: (pool: Pool, table: string) => Increment): Competitor {
  return {
    name,
    open: async ({ site }, count) => {
      const { pool, table } = await openTable(site, "number", "n bigint");
      const keys = Array.from({ length: count }, (_, index) => `counter-${index}`);
      await pool.query(`INSERT INTO ${table} SELECT key, 0 FROM unnest($1::text[]) AS key`, [keys]);
      const increment = make(pool, table);
      return {
        increment: (index) => increment(keys[index] ?? "", index),
        total: async () => {
          const { rows } = await pool.query<{ n: string }>(`SELECT sum(n) AS n FROM ${table}`);
          await pool.end();
          return Number(rows[0]?.n);
        },
      };
    },
  };
}

/** The row is locked while the application changes what it read. */
export const forUpdate: Competitor = onTable("SELECT … FOR UPDATE", (pool, table) => {
  const select = `SELECT n FROM ${table} WHERE key = $1 FOR UPDATE`;
  const update = `UPDATE ${table} SET n = $2 WHERE key = $1`;
  return async (key) => {
    const client = await pool.connect();
    try {
      await client.query("BEGIN");
      const query = { name: "lock", text: select, values: [key] };
      const { rows } = await client.query<{ n: string }>(query);
      await client.query({ name: "set", text: update, values: [key, Number(rows[0]?.n) + 1] });
      await client.query("COMMIT");
    } finally {
      client.release();
    }
  };
});

/** The server adds by itself and keeps nothing else: the limit of one statement per call. */
export const serverSide: Competitor = onTable("limit: UPDATE n = n + 1", (pool, table) => {
  const text = `UPDATE ${table} SET n = n + 1 WHERE key = $1`;
  return (key) => pool.query({ name: "add", text, values: [key] });
});
