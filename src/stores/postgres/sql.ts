/**
 * The statements of a store, each prepared once per connection.
 *
 * A statement that may wait for the lock of a row takes the longest wait as a parameter: a setting
 * of the connection would cost a request, and in a given pool apply to the statements of others.
 */
import { crc32 } from "node:zlib";
import { checkText, commitText, dropText } from "./commit-sql.ts";
import { expectOne, NOW, patient, recordColumns } from "./fragments.ts";
import { pruneHistoryText, readHistoryText } from "./history-sql.ts";
import type { PostgresStatement } from "./connection.ts";
import type { PostgresTables } from "./schema.ts";

/** With more changes than this at once, watchers get `missed`. */
export const CHANGES_MAX = 10_000;

/** The statements the store runs. */
export type StatementName =
  | "commit"
  | "commitChecked"
  | "commitGuarded"
  | "commitHistory"
  | "commitHistoryChecked"
  | "commitHistoryGuarded"
  | "check"
  | "drop"
  | "load"
  | "historyUp"
  | "historyDown"
  | "pruneHistory"
  | "listFirst"
  | "listAfter"
  | "listLast"
  | "lease"
  | "renew"
  | "release"
  | "changes"
  | "sweep"
  | "erase"
  | "eraseRest"
  | "table"
  | "tell";

/** Every statement. */
export type Statements = Readonly<Record<StatementName, PostgresStatement>>;

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

function listText({ record }: PostgresTables, from: ">=" | ">", order: "ASC" | "DESC"): string {
  return (
    `SELECT key FROM ${record} WHERE key ${from} $1 AND key < $2 AND state IS NOT NULL ` +
    `AND (expires IS NULL OR expires > ${NOW}) ORDER BY key ${order} LIMIT $3`
  );
}

/** A repeat with the same token is the same lease. */
function leaseText({ record }: PostgresTables): string {
  return (
    `INSERT INTO ${record} AS r (key, version, lease, lease_until, forgets) ` +
    `SELECT $1, 0, $2, ${NOW} + $3::float8, ${NOW} + 2 * $3::float8 WHERE ${patient("$4")} ` +
    "ON CONFLICT (key) DO UPDATE SET lease = excluded.lease, lease_until = excluded.lease_until " +
    `WHERE r.lease IS NULL OR r.lease = $2 OR r.lease_until <= ${NOW} RETURNING 1 AS taken`
  );
}

/** A row that only the lease made stays as long as the lease. */
function renewText({ record }: PostgresTables): string {
  return (
    `UPDATE ${record} SET lease_until = ${NOW} + $3::float8, ` +
    `forgets = CASE WHEN version = 0 THEN ${NOW} + 2 * $3::float8 ELSE forgets END ` +
    `WHERE ${patient("$4")} AND key = $1 AND lease = $2 AND lease_until > ${NOW} ` +
    "RETURNING 1 AS kept"
  );
}

/**
 * A row that only the lease made is removed with it. Whether it is one is read after its lock was
 * acquired, because a commit of the same section may be running.
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
 * the snapshot in which the rows are read, so the next look finds a transaction that commits later.
 * Rows that were restored from another server may have transaction numbers in the future.
 */
function changesText({ record }: PostgresTables): string {
  return (
    "SELECT s.next::text AS next, s.top::text AS top, c.key, c.version " +
    "FROM (SELECT pg_snapshot_xmin(pg_current_snapshot()) AS next, " +
    "pg_snapshot_xmax(pg_current_snapshot()) AS top) s LEFT JOIN LATERAL (" +
    `SELECT r.key, r.version::float8 AS version FROM ${record} r ` +
    "WHERE r.changed >= coalesce($1::xid8, s.next) AND r.changed < s.top " +
    "AND split_part(split_part(r.ops[1], '.', 2), '-', 1) <> $2 " +
    // In this order and with a limit: else the planner may read the whole table.
    `ORDER BY r.changed LIMIT ${CHANGES_MAX + 1}) c ON true`
  );
}

/**
 * Removes expired tombstones, at most as many as the parameter. A locked row is in use and skipped;
 * a row that was written meanwhile is checked again after its lock was acquired.
 */
function sweepText({ record, patch, history }: PostgresTables): string {
  return (
    // One time for all rows: the next sweep checks what has not expired now.
    `WITH t AS MATERIALIZED (SELECT ${NOW} AS now), ` +
    `found AS MATERIALIZED (SELECT key FROM ${record} WHERE forgets <= (SELECT now FROM t) ` +
    "AND (state IS NULL OR expires <= (SELECT now FROM t)) " +
    "AND (lease IS NULL OR lease_until <= (SELECT now FROM t)) " +
    "ORDER BY forgets LIMIT $1::int FOR UPDATE SKIP LOCKED), " +
    `swept AS (DELETE FROM ${record} r USING found f WHERE r.key = f.key RETURNING r.key), ` +
    `logs AS (DELETE FROM ${patch} p USING found f WHERE p.key = f.key), ` +
    `past AS (DELETE FROM ${history} h USING found f WHERE h.key = f.key) ` +
    "SELECT count(*)::float8 AS count, (SELECT min(forgets) - (SELECT now FROM t) " +
    `FROM ${record} WHERE forgets > (SELECT now FROM t)) AS next_ms FROM swept`
  );
}

/**
 * Removes records in the order of their keys, as commits lock them, and notifies watchers of each:
 * looks read changed rows, and would not find these. Returns what was there.
 */
function eraseText({ record, channel }: PostgresTables): string {
  const payload =
    '\'{"writer":"\' || $2::text || \'","key":\' || to_json(e.key)::text || ' +
    "',\"version\":' || (e.version + 1) || '}'";
  return (
    `WITH found AS MATERIALIZED (SELECT key, version FROM ${record} ` +
    `WHERE ${patient("$3")} AND key = ANY($1::text[]) ORDER BY key FOR UPDATE), ` +
    `erased AS (DELETE FROM ${record} r USING found f WHERE r.key = f.key ` +
    "RETURNING r.key, r.version) " +
    `SELECT e.key, e.version::float8 AS version, pg_notify('${channel.slice(1, -1)}', ` +
    `${payload}) FROM erased e`
  );
}

/**
 * Removes what erased records left, in the transaction of that, once their rows are locked: what a
 * commit added for which the lock was waited is in no earlier snapshot. A record that was made
 * meanwhile keeps what is its own.
 */
function eraseRestText({ record, patch, history }: PostgresTables): string {
  const from = (table: string): string =>
    `DELETE FROM ${table} x WHERE x.key = ANY($1::text[]) ` +
    `AND NOT EXISTS (SELECT 1 FROM ${record} r WHERE r.key = x.key)`;
  return `WITH logs AS (${from(patch)}) ${from(history)}`;
}

/** The statements on these tables. */
export function statementsOf(tables: PostgresTables): Statements {
  const texts: Readonly<Record<StatementName, string>> = {
    commit: commitText(tables, "nothing", false),
    commitChecked: commitText(tables, "checks", false),
    commitGuarded: commitText(tables, "guards", false),
    commitHistory: commitText(tables, "nothing", true),
    commitHistoryChecked: commitText(tables, "checks", true),
    commitHistoryGuarded: commitText(tables, "guards", true),
    check: checkText(tables),
    drop: dropText(tables),
    load: loadText(tables),
    historyUp: readHistoryText(tables, "ASC"),
    historyDown: readHistoryText(tables, "DESC"),
    pruneHistory: pruneHistoryText(tables),
    listFirst: listText(tables, ">=", "ASC"),
    listAfter: listText(tables, ">", "ASC"),
    listLast: listText(tables, ">=", "DESC"),
    lease: leaseText(tables),
    renew: renewText(tables),
    release: releaseText(tables),
    changes: changesText(tables),
    sweep: sweepText(tables),
    erase: eraseText(tables),
    eraseRest: eraseRestText(tables),
    table: `SELECT to_regclass('${tables.record}')::oid::text AS oid`,
    tell: `SELECT pg_notify('${tables.channel.slice(1, -1)}', $1)`,
  };
  const entries = Object.entries(texts).map(([name, text]) => {
    // A pool may be shared by several stores: the name identifies the text.
    const mark = crc32(text).toString(36);
    return [name, { name: `holdfast_${name}_${mark}`, text }] as const;
  });
  // The keys are those of `texts`, one statement each.
  return Object.fromEntries(entries) as Statements;
}
