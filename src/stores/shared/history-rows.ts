/**
 * The rows of a history as stores keep them: the text of each, and its place among the others.
 *
 * Invariants
 *  R1  `seq` counts the rows of a record from 1 without a gap, `start` is the bytes of all rows
 *      before, and `at` does not decrease. So what a `keep` keeps is everything from one row on,
 *      and one row decides for itself whether it is kept, given the newest one.
 *  R2  A commit looks at no more of the oldest rows than it adds and `PRUNED_SPARE` more. Thus each
 *      limit is met after it, or met again after some more commits when it was lowered.
 */
import type { Json } from "../../../actors/protocol.ts";
import type { HistoryKeep, HistoryQuery, HistoryRow, ScopeWrite } from "../contract.ts";
import { toJsonText } from "./writes.ts";

/** The most rows that `pruneHistory` removes at a time, so that others are not kept waiting. */
export const PRUNED_AT_ONCE = 10_000;

/** How many more rows a commit removes than it adds, at most. */
export const PRUNED_SPARE = 16;

/** The place of a row among those of its record (R1). */
export interface RowPlace {
  readonly version: number;
  readonly at: number;
  readonly seq: number;
  readonly start: number;
  /** Bytes of its JSON. */
  readonly size: number;
}

/** A row as it is stored; `state` is `null` in one without a state. */
export interface PlacedRow extends RowPlace {
  readonly entry: string;
  readonly state: string | null;
}

/** The least `seq`, `at` and `start` of rows that are kept. */
export type RowBounds = Pick<RowPlace, "seq" | "at" | "start">;

const ALL_ROWS: RowBounds = { seq: 0, at: 0, start: 0 };

/** The rows that a write adds after `last`; throws `RangeError` for versions out of order. */
export function placeRows(write: ScopeWrite, last: RowPlace | undefined): PlacedRow[] {
  const { history, expectedVersion } = write;
  let before: RowPlace = last ?? { version: 0, at: 0, seq: 0, start: 0, size: 0 };
  let version = expectedVersion;
  const rows = (history?.add ?? []).map((row) => {
    if (!Number.isSafeInteger(row.version) || row.version <= version)
      throw new RangeError(`a history row must be over ${version}, received ${row.version}`);
    if (!Number.isFinite(row.at))
      throw new RangeError(`at of a history row must be a number, received ${row.at}`);
    version = row.version;
    const placed = placeRow(row, before);
    before = placed;
    return placed;
  });
  if (rows.length > 0 && version !== write.version)
    throw new RangeError(`the last history row must be ${write.version}, received ${version}`);
  return rows;
}

function placeRow(row: HistoryRow, before: RowPlace): PlacedRow {
  const entry = toJsonText(row.entry);
  const state = row.state === undefined ? null : toJsonText(row.state);
  return {
    version: row.version,
    at: Math.max(before.at, row.at),
    seq: before.seq + 1,
    start: before.start + before.size,
    size: Buffer.byteLength(entry) + (state === null ? 0 : Buffer.byteLength(state)),
    entry,
    state,
  };
}

/** What a row must have to be kept beside the newest row. */
export function keptFrom(newest: RowPlace, keep: HistoryKeep = {}): RowBounds {
  const { versions, sinceMs, bytes } = keep;
  return {
    seq: versions === undefined ? 0 : Math.max(0, newest.seq - versions + 1),
    at: sinceMs ?? 0,
    start: bytes === undefined ? 0 : Math.max(0, newest.start + newest.size - bytes),
  };
}

/** True for a row that is kept. */
export function isWithin(row: RowPlace, bounds: RowBounds): boolean {
  return row.seq >= bounds.seq && row.at >= bounds.at && row.start >= bounds.start;
}

/** True when `keep` sets a limit. */
export function hasLimit({ versions, sinceMs, bytes }: HistoryKeep): boolean {
  return versions !== undefined || sinceMs !== undefined || bytes !== undefined;
}

/** Removes rows by `part`, at most `PRUNED_AT_ONCE` each time; resolves to how many there were. */
export async function pruneAll(part: () => Promise<number>): Promise<number> {
  for (let total = 0; ;) {
    const count = await part();
    total += count;
    if (count < PRUNED_AT_ONCE) return total;
  }
}

/** How many of the oldest rows are not kept: of a commit that added `added` rows, some of them. */
export function prunedCount(
  rows: readonly RowPlace[],
  { keep, added = Infinity }: { readonly keep: HistoryKeep; readonly added?: number },
): number {
  const newest = rows.at(-1);
  if (newest === undefined || !hasLimit(keep)) return 0;
  const bounds = keptFrom(newest, keep);
  const most = Math.min(rows.length, added + PRUNED_SPARE);
  let count = 0;
  for (const row of rows) {
    if (count === most || isWithin(row, bounds)) break;
    count += 1;
  }
  return count;
}

/** The rows that a query selects from all rows of a record, oldest first, within `kept`. */
export function selectRows<Row extends RowPlace>(
  rows: readonly Row[],
  query: HistoryQuery,
  kept: RowBounds = ALL_ROWS,
): Row[] {
  const newest = rows.at(-1);
  if (newest === undefined) return [];
  const { before = Infinity, after = 0, limit = Infinity, oldestFirst = false } = query;
  const bounds = keptFrom(newest, query.keep);
  const from = firstWhere(
    rows,
    (row) => row.version > after && isWithin(row, bounds) && isWithin(row, kept),
  );
  const to = Math.max(
    from,
    firstWhere(rows, (row) => row.version >= before),
  );
  if (oldestFirst) return rows.slice(from, Math.min(to, from + limit));
  return rows.slice(Math.max(from, to - limit), to).toReversed();
}

/** A stored row as the contract has it. */
export function toHistoryRow(
  { version, at, entry, state }: Pick<PlacedRow, "version" | "at" | "entry" | "state">,
  parse: (text: string) => Json,
): HistoryRow {
  return { version, at, entry: parse(entry), ...(state !== null && { state: parse(state) }) };
}

/** The index of the first row that passes; all rows after it pass, too. */
function firstWhere<Row>(rows: readonly Row[], passes: (row: Row) => boolean): number {
  let [low, high] = [0, rows.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    const row = rows[middle];
    if (row !== undefined && passes(row)) high = middle;
    else low = middle + 1;
  }
  return low;
}
