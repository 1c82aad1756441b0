/**
 * The parts of the statements that keep and read histories, in a table of rows per key.
 *
 * Invariants
 *  H1  Rows are written by the statement that writes their state. It knows all rows of the history:
 *      a record that others changed after the statement's snapshot is written by the next send,
 *      with a new snapshot (`isSeen`).
 *  H2  A row that is added and not kept is not written, once the rows before it are gone. Of these
 *      a commit reads the newest, and no more of the oldest than it may remove.
 */
import { PRUNED_SPARE } from "../shared/history-rows.ts";
import { NOW } from "./fragments.ts";
import type { PostgresTables } from "./schema.ts";

/** What a commit statement has more when it keeps histories. */
interface HistoryParts {
  /** The columns of `input`, and their types. */
  readonly types: string;
  readonly names: string;
  /** The versions of the statement's snapshot. */
  readonly seen: string;
  /** Columns of `fit`: whether it is in the snapshot, and whether the rows before go. */
  readonly fit: string;
  readonly join: string;
  readonly isSeen: string;
  readonly writes: string;
  /** The parameters of the checks. */
  readonly checks: readonly [keys: string, expected: string];
}

/** The parts of a statement that keeps none. */
export const NO_HISTORY: HistoryParts = {
  types: "",
  names: "",
  seen: "",
  fit: "",
  join: "",
  isSeen: "",
  writes: "",
  checks: ["$12", "$13"],
};

/** The parts of a statement that keeps histories; their parameters are $12 to $25. */
export function historyParts(tables: PostgresTables): HistoryParts {
  return {
    types: ", $12::bool[], $13::int[], $14::bool[], $15::float8[], $16::float8[], $17::float8[]",
    names: ", drops, adds, tight, least_seq, least_at, least_start",
    seen: `, seen AS MATERIALIZED (
  SELECT r.key, r.version FROM input i JOIN ${tables.record} r ON r.key = i.key
)`,
    fit: `, s.version IS NOT DISTINCT FROM l.version AS seen,
    i.drops OR l.state IS NULL OR coalesce(l.expires <= ${NOW}, false) AS clears`,
    join: " LEFT JOIN seen s ON s.key = i.key",
    isSeen: " AND f.seen",
    writes: writesText(tables),
    checks: ["$26", "$27"],
  };
}

/** True for a row of `r` that is kept, by the least `seq`, `at` and `start` in `b`. */
const WITHIN =
  "(r.seq >= coalesce(b.least_seq, 0) AND r.at >= coalesce(b.least_at, 0) " +
  "AND r.start >= coalesce(b.least_start, 0))";

/**
 * Writes the histories of the records that were written. `past` is what there was before, with what
 * is kept from now on; `made` are the rows that are added.
 */
function writesText({ history }: PostgresTables): string {
  const edge = (order: "ASC" | "DESC", when: string): string =>
    `LEFT JOIN LATERAL (SELECT h.seq, h.at, h.start + h.size AS stop FROM ${history} h
    WHERE h.key = f.key AND ${when} ORDER BY h.version ${order} LIMIT 1)`;
  return `, past AS MATERIALIZED (
  SELECT f.at AS of, f.key, f.clears, f.adds, coalesce(l.seq, 0) AS seq, coalesce(l.at, 0) AS at,
    coalesce(l.stop, 0) AS stop, coalesce(o.seq, 1) + f.adds + ${PRUNED_SPARE} AS stays,
    coalesce(l.seq, 0) + f.least_seq AS least_seq, f.least_at,
    coalesce(l.stop, 0) + f.least_start AS least_start
  FROM fit f
  JOIN (SELECT key FROM updated UNION ALL SELECT key FROM inserted) w ON w.key = f.key
  ${edge("DESC", "NOT f.clears")} l ON true
  ${edge("ASC", "NOT f.clears AND f.tight")} o ON true
  WHERE f.clears OR f.adds > 0
), made AS MATERIALIZED (
  SELECT b.key, n.version, greatest(b.at, n.at) AS at, b.seq + n.seq AS seq,
    b.stop + n.start AS start, n.size, n.entry, n.state, b.stays, b.least_seq, b.least_at,
    b.least_start
  FROM unnest($18::int[], $19::bigint[], $20::float8[], $21::bigint[], $22::bigint[],
    $23::bigint[], $24::text[], $25::text[])
    AS n(of, version, at, seq, start, size, entry, state)
  JOIN past b ON b.of = n.of
), gone AS (
  DELETE FROM ${history} WHERE ctid = ANY (ARRAY(
    SELECT r.place FROM past b CROSS JOIN LATERAL (
      SELECT h.ctid AS place FROM ${history} h WHERE h.key = b.key OFFSET 0) r
    WHERE b.clears
    UNION ALL
    SELECT r.place FROM past b CROSS JOIN LATERAL (
      SELECT h.ctid AS place, h.seq, h.at, h.start FROM ${history} h WHERE h.key = b.key
      ORDER BY h.version LIMIT b.adds + ${PRUNED_SPARE}) r
    WHERE NOT b.clears AND NOT ${WITHIN}
  )) RETURNING 1
), kept AS (
  INSERT INTO ${history} (key, version, at, seq, start, size, entry, state)
  SELECT b.key, b.version, b.at, b.seq, b.start, b.size, b.entry, b.state FROM made b
  -- After rows of the same versions were removed.
  WHERE (SELECT count(*) FROM gone) >= 0
    AND (b.seq >= b.stays OR ${WITHIN.replaceAll("r.", "b.")})
)`;
}

/** Removes rows that are not kept. $1: key, $2 to $4: the limits, $5: at most so many. */
export function pruneHistoryText({ history }: PostgresTables): string {
  return `
WITH b AS MATERIALIZED (
  SELECT h.key, h.seq - $2::float8 + 1 AS least_seq, $3::float8 AS least_at,
    h.start + h.size - $4::float8 AS least_start
  FROM ${history} h WHERE h.key = $1 ORDER BY h.version DESC LIMIT 1
), gone AS (
  DELETE FROM ${history} WHERE ctid = ANY (ARRAY(
    SELECT r.ctid FROM b JOIN ${history} r ON r.key = b.key WHERE NOT ${WITHIN}
    ORDER BY r.version LIMIT $5::bigint
  )) RETURNING 1
) SELECT count(*)::float8 AS count FROM gone`;
}

/**
 * Reads the history of a living record. $1: key, $2 and $3: only versions between, $4: at most so
 * many, $5 to $7: the limits of versions, time and bytes.
 */
export function readHistoryText(
  { record, history }: PostgresTables,
  order: "ASC" | "DESC",
): string {
  return `
WITH b AS MATERIALIZED (
  SELECT h.key, h.seq - $5::float8 + 1 AS least_seq, $6::float8 AS least_at,
    h.start + h.size - $7::float8 AS least_start
  FROM ${history} h JOIN ${record} l ON l.key = h.key
  WHERE h.key = $1 AND l.state IS NOT NULL AND (l.expires IS NULL OR l.expires > ${NOW})
  ORDER BY h.version DESC LIMIT 1
)
SELECT r.version::float8 AS version, r.at, r.size::float8 AS size, r.entry, r.state
FROM b JOIN ${history} r ON r.key = b.key
WHERE r.version > $2::bigint AND r.version < $3::bigint AND ${WITHIN}
ORDER BY r.version ${order} LIMIT $4::bigint`;
}
