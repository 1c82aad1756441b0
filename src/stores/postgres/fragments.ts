/** Parts of statements that several of them have. */

/** Milliseconds of the server's clock, read when the row is. */
export const NOW: string = "(extract(epoch FROM clock_timestamp()) * 1000)::float8";

/**
 * True of every row of a list of parameters. A plan is made once and kept, perhaps while the table
 * is still empty; each comparison lowers the number of rows the planner expects of the list, and
 * with one it looks each key up in the index, whatever it thinks of the table.
 */
export function expectOne(list: string): string {
  return `${list}.at > 0 AND ${list}.at < 1000000 AND ${list}.key >= ''`;
}

/** True, and from there on the statement waits for each lock at most so long. */
export function patient(parameter: string): string {
  return `(SELECT set_config('lock_timeout', ${parameter}, true)) IS NOT NULL`;
}

/** What `reader.ts` reads of a row. */
export function recordColumns(row: string): string {
  return (
    `${row}.key, ${row}.version::float8 AS version, ${row}.state, ` +
    `${row}.expires - ${NOW} AS left_ms, ${row}.base_version::float8 AS base_version, ` +
    `${row}.base_size::float8 AS base_size, ${row}.log_count`
  );
}
