/**
 * The statements that write and check records.
 *
 * Invariants of `commit`
 *  Q1  Rows are locked in the order of their keys before anything is written, so batches that meet
 *      do not deadlock; a row's values are read after that, so they are the newest.
 *  Q2  A row is written when it has the expected version, and no lease but the write's own is on
 *      it. The clock is the server's, read after the lock was acquired.
 *  Q3  A row stores which writes changed it: the last writes of each store object for a time, so
 *      that a repeat is recognized also where many write the same row.
 *  Q4  The result has only the writes that did not take effect, with the stored record, and the
 *      checks that failed.
 *  Q5  Checks beside writes (`commitChecked`) read the snapshot the statement begins with. Those of
 *      a transaction (`commitGuarded`) lock their rows FOR SHARE, one by one in the order of keys
 *      together with those of the writes. A key without a row gets one of version 0, as new records
 *      do after all locks: another insert of it waits for the transaction, which removes it again.
 */
import { APART_FROM_CHARS, LOG_COUNT_MAX } from "../shared/large-records.ts";
import { expectOne, NOW, patient, recordColumns } from "./fragments.ts";
import { historyParts, NO_HISTORY } from "./history-sql.ts";
import type { PostgresTables } from "./schema.ts";

/** The most writes of one store object that a row stores. */
export const OPS_OF_ONE = 4;
/** The most writes of all store objects together. */
export const OPS_MAX = 64;
/** Older writes are removed; a call is never retried for so long; seconds. */
export const OPS_SECONDS = 60;
/** From so many on they are filtered: that costs more than a few that are too old. */
const OPS_KEPT = 12;

const SECONDS = "extract(epoch FROM clock_timestamp())::bigint";
/** The entry of a write in its row. */
const ENTRY = `${SECONDS} || '.' || f.op || '@' || f.expected`;

/** The entries to keep beside a new one. */
function keptOps(ops: string): string {
  return `CASE WHEN cardinality(${ops}) < ${OPS_KEPT} THEN ${ops} ELSE ARRAY(
      SELECT o.entry FROM (
        SELECT e.entry, e.at, row_number() OVER (
          PARTITION BY split_part(split_part(e.entry, '.', 2), '-', 1) ORDER BY e.at) AS nth
        FROM unnest(${ops}) WITH ORDINALITY AS e(entry, at)) o
      WHERE o.nth <= ${OPS_OF_ONE}
        AND split_part(o.entry, '.', 1)::bigint >= ${SECONDS} - ${OPS_SECONDS}
      ORDER BY o.at) END`;
}

/** What goes with writes: nothing, checks of their own, or checks that all writes depend on. */
type Beside = "nothing" | "checks" | "guards";

/** The checks, from parameters. */
function askedText(keys: string, expected: string): string {
  return `asked AS MATERIALIZED (
  SELECT * FROM unnest(${keys}::text[], ${expected}::bigint[]) WITH ORDINALITY
    AS c(key, expected, at) WHERE ${expectOne("c")}
)`;
}

/** The rows of writes, and of guards, each with its own lock. */
function lockedText(record: string, beside: Beside): string {
  if (beside !== "guards")
    return `
  SELECT r.* FROM input i JOIN ${record} r ON r.key = i.key ORDER BY r.key
  FOR NO KEY UPDATE OF r`;
  return `
  SELECT l.* FROM (
    SELECT b.key, bool_or(b.writes) AS writes FROM (
      SELECT key, true AS writes FROM input UNION ALL SELECT key, false FROM asked) b
    GROUP BY b.key ORDER BY b.key COLLATE "C") w
  CROSS JOIN LATERAL (
    SELECT * FROM (SELECT * FROM ${record} r WHERE r.key = w.key AND w.writes
      FOR NO KEY UPDATE) x
    UNION ALL
    SELECT * FROM (SELECT * FROM ${record} r WHERE r.key = w.key AND NOT w.writes
      FOR SHARE) y) l`;
}

/** The rows to insert: new records, and placeholders for rows that guards did not find. */
function freshText(beside: Beside): string {
  const records = `
    SELECT f.key, f.version, f.state, ${NOW} + f.ttl AS expires, ARRAY[${ENTRY}] AS ops,
      f.version AS base_version, coalesce(octet_length(f.state), 0) AS base_size,
      pg_current_xact_id() AS changed, ${NOW} + f.forget AS forgets
    FROM fit f WHERE NOT f.found AND f.expected = 0 AND f.lease IS NULL AND f.whole`;
  if (beside !== "guards") return records;
  return `${records}
    UNION ALL
    SELECT DISTINCT c.key, 0, NULL, NULL::float8, '{}'::text[], 0, 0, NULL::xid8,
      NULL::float8 FROM asked c
    WHERE c.expected = 0 AND c.key NOT IN (SELECT key FROM locked)
      AND c.key NOT IN (SELECT key FROM input)`;
}

/** The checks that failed, and of guards those that made a placeholder (`fits`). */
function failedText(record: string, beside: Beside): string {
  const isGuard = beside === "guards";
  const fits = isGuard ? "c.expected = 0 AND c.key IN (SELECT key FROM inserted)" : "false";
  return `
SELECT -c.at::float8 AS at, l.key IS NOT NULL AS found, ${fits} AS fits,
  NULL::text[] AS ops, ${recordColumns("l")}
FROM asked c LEFT JOIN ${isGuard ? "locked" : record} l ON l.key = c.key
WHERE coalesce(l.version, 0) <> c.expected${isGuard ? " OR l.key IS NULL" : ""}`;
}

/** Whether a write of `i` takes effect on its row `l`, and how. */
function fitColumns(): string {
  return `l.key IS NOT NULL AS found, l.base_size >= ${APART_FROM_CHARS} AS logs,
    l.version = i.expected AND CASE
      WHEN i.lease IS NULL THEN l.lease IS NULL OR l.lease_until <= ${NOW}
      ELSE l.lease = i.lease AND l.lease_until > ${NOW} END AS fits,
    i.patches IS NOT NULL AND l.state IS NOT NULL AND l.base_size >= ${APART_FROM_CHARS}
      AND l.log_size + octet_length(i.patches) < l.base_size AND l.log_count < ${LOG_COUNT_MAX}
      AND (l.expires IS NULL OR l.expires > ${NOW}) AS appends`;
}

/** Writes records, each at its version, and perhaps histories; see the header of this file. */
export function commitText(tables: PostgresTables, beside: Beside, withHistory: boolean): string {
  const { record, patch } = tables;
  const past = withHistory ? historyParts(tables) : NO_HISTORY;
  const asked = beside === "nothing" ? "" : `, ${askedText(...past.checks)}`;
  const failed = beside === "nothing" ? "" : `\nUNION ALL${failedText(record, beside)}`;
  return `
WITH input AS MATERIALIZED (
  SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bool[], $5::text[],
    $6::text[], $7::float8[], $8::text[], $9::text[], $10::float8[]${past.types}) WITH ORDINALITY
    AS i(key, expected, version, whole, state, patches, ttl, op, lease, forget${past.names}, at)
  WHERE ${patient("$11")} AND ${expectOne("i")} AND expected < version
)${asked}${past.seen}, locked AS MATERIALIZED (${lockedText(record, beside)}
), fit AS MATERIALIZED (
  SELECT i.*, ${fitColumns()}${past.fit}
  FROM input i LEFT JOIN locked l ON l.key = i.key${past.join}
), updated AS (
  UPDATE ${record} r SET
    version = f.version,
    state = CASE WHEN f.appends THEN r.state ELSE f.state END,
    expires = ${NOW} + f.ttl,
    ops = (ARRAY[${ENTRY}] || ${keptOps("r.ops")})[1:${OPS_MAX}],
    base_version = CASE WHEN f.appends THEN r.base_version ELSE f.version END,
    base_size = CASE WHEN f.appends THEN r.base_size ELSE coalesce(octet_length(f.state), 0) END,
    log_size = CASE WHEN f.appends THEN r.log_size + octet_length(f.patches) ELSE 0 END,
    log_count = CASE WHEN f.appends THEN r.log_count + 1 ELSE 0 END,
    changed = pg_current_xact_id(),
    forgets = ${NOW} + f.forget
  FROM fit f WHERE r.key = f.key AND f.fits AND (f.appends OR f.whole)${past.isSeen}
  RETURNING r.key
), inserted AS (
  INSERT INTO ${record} (key, version, state, expires, ops, base_version, base_size, changed,
    forgets)
  SELECT n.* FROM (${freshText(beside)}) n ORDER BY n.key
  ON CONFLICT (key) DO NOTHING RETURNING key
), appended AS (
  INSERT INTO ${patch} (key, version, since, patches)
  SELECT f.key, f.version, f.expected, f.patches FROM fit f JOIN updated u ON u.key = f.key
  WHERE f.appends
), dropped AS (
  DELETE FROM ${patch} p USING fit f JOIN updated u ON u.key = f.key
  WHERE p.key = f.key AND f.logs AND NOT f.appends
)${past.writes}
SELECT f.at::float8 AS at, f.found, coalesce(f.fits, false) AS fits, l.ops, ${recordColumns("l")}
FROM fit f LEFT JOIN locked l ON l.key = f.key
WHERE f.key NOT IN (SELECT key FROM updated) AND f.key NOT IN (SELECT key FROM inserted)${failed}`;
}

/** The first row states whether the server is a standby; then come the checks that failed. */
export function checkText({ record }: PostgresTables): string {
  return `
WITH ${askedText("$1", "$2")}
SELECT 0::float8 AS at, pg_is_in_recovery() AS found, false AS fits, NULL::text[] AS ops,
  ${recordColumns("n")}
FROM (SELECT 1) one LEFT JOIN ${record} n ON false
UNION ALL${failedText(record, "checks")}`;
}

/** Removes placeholders. */
export function dropText({ record }: PostgresTables): string {
  return `DELETE FROM ${record} WHERE key = ANY($1::text[]) AND version = 0 AND lease IS NULL`;
}
