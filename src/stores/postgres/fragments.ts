/** Parts that several statements share. */

/** Milliseconds of the server's clock, read when the row is. */
export const NOW: string = "(extract(epoch FROM clock_timestamp()) * 1000)::float8";

/**
 * True for every row of a list of parameters. A plan is made once and kept, perhaps while the table
 * is still empty. Each comparison lowers the number of rows that the planner expects of the list;
 * with one it uses the index for each key, whatever its statistics of the table.
 */
export function expectOne(list: string): string {
  return `${list}.at > 0 AND ${list}.at < 1000000 AND ${list}.key >= ''`;
}

/** True; from there on the statement waits for each lock at most so long. */
export function patient(parameter: string): string {
  return `(SELECT set_config('lock_timeout', ${parameter}, true)) IS NOT NULL`;
}

/** The columns that `reader.ts` reads. */
export function recordColumns(row: string): string {
  return (
    `${row}.key, ${row}.version::float8 AS version, ${row}.state, ` +
    `${row}.expires - ${NOW} AS left_ms, ${row}.base_version::float8 AS base_version, ` +
    `${row}.base_size::float8 AS base_size, ${row}.log_count`
  );
}
