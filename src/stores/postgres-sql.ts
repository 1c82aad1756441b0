/**
 * The statements of a store, each prepared once per connection.
 *
 * Invariants of `commit`
 *  Q1  Rows are locked in the order of their keys before anything is written, so batches that meet
 *      do not deadlock; what a row holds is read after that, so it is the newest.
 *  Q2  A row is written when it has the expected version, and no lease but the write's own is on
 *      it. The clock is the server's, read after the lock was had.
 *  Q3  A row remembers who wrote it: the last writes of each store object for a time, so that a
 *      repeat is known also where many write the same row.
 *  Q4  Only writes that did not take effect come back, with what is there.
 *
 * What may wait for the lock of a row is given the longest time for it as a parameter: a setting of
 * the connection would cost a round trip, and in a given pool hold for the statements of others.
 */
import { crc32 } from "node:zlib";
import { APART_FROM_CHARS, LOG_COUNT_MAX } from "./large-keys.ts";
import type { PostgresStatement } from "./postgres-link.ts";
import type { PostgresTables } from "./postgres-schema.ts";

/** A row remembers the last writes of everybody, so many of each. */
export const OPS_OF_ONE = 4;
/** And of all together, whoever they are. */
export const OPS_MAX = 64;
/** What is older is forgotten, in time longer than any call is repeated; seconds. */
export const OPS_SECONDS = 60;
/** From so many on they are looked through: that costs more than to keep a few too many. */
const OPS_KEPT = 12;

/** With more changes than this at once whoever watches looks for himself. */
export const CHANGES_MAX = 10_000;

/** The statements the store runs. */
export type StatementName =
  | "commit"
  | "load"
  | "listFrom"
  | "listAfter"
  | "lease"
  | "release"
  | "changes"
  | "table"
  | "tell";

/** Every statement. */
export type Statements = Readonly<Record<StatementName, PostgresStatement>>;

const NOW = "(extract(epoch FROM clock_timestamp()) * 1000)::float8";

/**
 * True of every row of a list of parameters. A plan is made once and kept, perhaps while the table
 * is still empty; each comparison lowers the number of rows the planner expects of the list, and
 * with one it looks each key up in the index, whatever it thinks of the table.
 */
function expectOne(list: string): string {
  return `${list}.at > 0 AND ${list}.at < 1000000 AND ${list}.key >= ''`;
}

/** True, and from there on the statement waits for each lock at most so long. */
function patient(parameter: string): string {
  return `(SELECT set_config('lock_timeout', ${parameter}, true)) IS NOT NULL`;
}

const SECONDS = "extract(epoch FROM clock_timestamp())::bigint";
/** How a row remembers a write. */
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

function commitText({ record, patch }: PostgresTables): string {
  return `
WITH input AS MATERIALIZED (
  SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bool[], $5::text[],
    $6::text[], $7::float8[], $8::text[], $9::text[]) WITH ORDINALITY
    AS i(key, expected, version, whole, state, patches, ttl, op, lease, at)
  WHERE ${patient("$10")} AND ${expectOne("i")} AND expected < version
), locked AS MATERIALIZED (
  SELECT r.* FROM input i JOIN ${record} r ON r.key = i.key ORDER BY r.key
  FOR NO KEY UPDATE OF r
), fit AS MATERIALIZED (
  SELECT i.*, l.key IS NOT NULL AS found, l.base_size >= ${APART_FROM_CHARS} AS logs,
    l.version = i.expected AND CASE
      WHEN i.lease IS NULL THEN l.lease IS NULL OR l.lease_until <= ${NOW}
      ELSE l.lease = i.lease AND l.lease_until > ${NOW} END AS fits,
    i.patches IS NOT NULL AND l.state IS NOT NULL AND l.base_size >= ${APART_FROM_CHARS}
      AND l.log_size + octet_length(i.patches) < l.base_size AND l.log_count < ${LOG_COUNT_MAX}
      AND (l.expires IS NULL OR l.expires > ${NOW}) AS appends
  FROM input i LEFT JOIN locked l ON l.key = i.key
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
    changed = pg_current_xact_id()
  FROM fit f WHERE r.key = f.key AND f.fits AND (f.appends OR f.whole)
  RETURNING r.key
), inserted AS (
  INSERT INTO ${record} (key, version, state, expires, ops, base_version, base_size, changed)
  SELECT f.key, f.version, f.state, ${NOW} + f.ttl, ARRAY[${ENTRY}], f.version,
    coalesce(octet_length(f.state), 0), pg_current_xact_id()
  FROM fit f WHERE NOT f.found AND f.expected = 0 AND f.lease IS NULL AND f.whole ORDER BY f.key
  ON CONFLICT (key) DO NOTHING RETURNING key
), appended AS (
  INSERT INTO ${patch} (key, version, since, patches)
  SELECT f.key, f.version, f.expected, f.patches FROM fit f JOIN updated u ON u.key = f.key
  WHERE f.appends
), dropped AS (
  DELETE FROM ${patch} p USING fit f JOIN updated u ON u.key = f.key
  WHERE p.key = f.key AND f.logs AND NOT f.appends
)
SELECT f.at::float8 AS at, f.found, coalesce(f.fits, false) AS fits, l.ops, ${recordColumns("l")}
FROM fit f LEFT JOIN locked l ON l.key = f.key
WHERE f.key NOT IN (SELECT key FROM updated) AND f.key NOT IN (SELECT key FROM inserted)`;
}

/** What `postgres-record.ts` reads of a row. */
function recordColumns(row: string): string {
  return (
    `${row}.key, ${row}.version::float8 AS version, ${row}.state, ` +
    `${row}.expires - ${NOW} AS left_ms, ${row}.base_version::float8 AS base_version, ` +
    `${row}.base_size::float8 AS base_size, ${row}.log_count`
  );
}

/**
 * Patches up to `base_version` may be left over from a fold that did not see them. The log is one
 * JSON text: a list of `[version before, version, patches]`.
 */
function loadText({ record, patch }: PostgresTables): string {
  return (
    `SELECT a.at::float8 AS at, ${recordColumns("r")}, CASE WHEN r.log_count > 0 THEN (` +
    "SELECT '[' || string_agg('[' || p.since || ',' || p.version || ',' || p.patches || ']', ',' " +
    `ORDER BY p.version) || ']' FROM ${patch} p ` +
    "WHERE p.key = r.key AND p.version > r.base_version) END AS log " +
    `FROM unnest($1::text[]) WITH ORDINALITY AS a(key, at) JOIN ${record} r ON r.key = a.key ` +
    `WHERE ${expectOne("a")}`
  );
}

function listText({ record }: PostgresTables, from: ">=" | ">"): string {
  return (
    `SELECT key FROM ${record} WHERE key ${from} $1 AND key < $2 AND state IS NOT NULL ` +
    `AND (expires IS NULL OR expires > ${NOW}) ORDER BY key LIMIT $3`
  );
}

/** Asking again with the same token is the same lease. */
function leaseText({ record }: PostgresTables): string {
  return (
    `INSERT INTO ${record} AS r (key, version, lease, lease_until) ` +
    `SELECT $1, 0, $2, ${NOW} + $3::float8 WHERE ${patient("$4")} ON CONFLICT (key) DO UPDATE ` +
    "SET lease = excluded.lease, lease_until = excluded.lease_until " +
    `WHERE r.lease IS NULL OR r.lease = $2 OR r.lease_until <= ${NOW} RETURNING 1 AS taken`
  );
}

/**
 * A row that only the lease made goes with it. Whether it is one is read when its lock was had, for
 * a commit of the same turn may be under way.
 */
function releaseText({ record }: PostgresTables): string {
  return (
    `WITH held AS MATERIALIZED (SELECT key, version FROM ${record} ` +
    `WHERE ${patient("$3")} AND key = $1 AND lease = $2 FOR UPDATE), ` +
    `gone AS (DELETE FROM ${record} r USING held h WHERE r.key = h.key AND h.version = 0) ` +
    `UPDATE ${record} r SET lease = NULL, lease_until = NULL FROM held h ` +
    "WHERE r.key = h.key AND h.version > 0"
  );
}

/**
 * What others changed in transactions that were not over at the cursor. The next cursor comes from
 * the snapshot the rows are read in, so a transaction that commits later is found by the next one.
 * Rows that were restored from another server may have numbers that are still to come here.
 */
function changesText({ record }: PostgresTables): string {
  return (
    "SELECT s.next::text AS next, s.top::text AS top, c.key, c.version " +
    "FROM (SELECT pg_snapshot_xmin(pg_current_snapshot()) AS next, " +
    "pg_snapshot_xmax(pg_current_snapshot()) AS top) s LEFT JOIN LATERAL (" +
    `SELECT r.key, r.version::float8 AS version FROM ${record} r ` +
    "WHERE r.changed >= coalesce($1::xid8, s.next) AND r.changed < s.top " +
    "AND split_part(split_part(r.ops[1], '.', 2), '-', 1) <> $2 " +
    // In this order and at most so many: else the planner may read the whole table.
    `ORDER BY r.changed LIMIT ${CHANGES_MAX + 1}) c ON true`
  );
}

/** The statements on these tables. */
export function statementsOf(tables: PostgresTables): Statements {
  const texts: Readonly<Record<StatementName, string>> = {
    commit: commitText(tables),
    load: loadText(tables),
    listFrom: listText(tables, ">="),
    listAfter: listText(tables, ">"),
    lease: leaseText(tables),
    release: releaseText(tables),
    changes: changesText(tables),
    table: `SELECT to_regclass('${tables.record}')::oid::text AS oid`,
    tell: `SELECT pg_notify('${tables.channel.slice(1, -1)}', $1)`,
  };
  const entries = Object.entries(texts).map(([name, text]) => {
    // A pool may be shared by several stores: the name says which text it is.
    const mark = crc32(text).toString(36);
    return [name, { name: `holdfast_${name}_${mark}`, text }] as const;
  });
  // The keys are those of `texts`, one statement each.
  return Object.fromEntries(entries) as Statements;
}
