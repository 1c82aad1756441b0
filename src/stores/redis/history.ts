/** The rows of histories as the scripts take and return them; see `history-lua.ts`. */
import type { HistoryKeep, HistoryQuery, HistoryRow, ScopeWrite } from "../contract.ts";
import { placeRows, toHistoryRow } from "../shared/history-rows.ts";
import { type Damaged, parseJson } from "../shared/patch-log.ts";
import { checkBytes } from "../shared/writes.ts";
import type { RecordKeys } from "./keys.ts";
import { damaged, readFound } from "./reader.ts";

/** The last arguments of a commit: what it adds to the history, if it has one. */
export function historyArgs(write: ScopeWrite, bulkBytesMax: number): string[] {
  const { history } = write;
  if (history === undefined) return [];
  // Where the rows are among those before them, the script computes.
  const rows = placeRows(write, undefined).map(({ version, at, size, entry, state }) =>
    [`${version} ${at} ${size}`, entry, ...(state === null ? [] : [state])].join("\n"),
  );
  for (const row of rows) checkBytes(row, bulkBytesMax);
  return [history.fresh === true ? "f" : "", ...keepArgs(history.keep), ...rows];
}

/** The arguments of a read. */
export function queryArgs(query: HistoryQuery): string[] {
  const { before, after, limit, oldestFirst = false, keep = {} } = query;
  const order = oldestFirst ? "up" : "down";
  const range = [before, after, limit].map(text);
  return [...range, order, ...keepArgs(keep)];
}

/** The arguments of `PRUNE`. */
export function keepArgs({ versions, sinceMs, bytes }: HistoryKeep): string[] {
  return [versions, sinceMs, bytes].map(text);
}

/** Reads the result of `PRUNE`; throws `CorruptStateError` for rows that are none. */
export function readPruned(result: unknown, { history }: RecordKeys): number {
  const [kind, count]: readonly unknown[] = Array.isArray(result) ? result : [];
  if (kind === "rows") return Number(count);
  throw damaged(history, "a row of its history is unreadable");
}

/**
 * Reads the result of `HISTORY`, whose rows are oldest first. Throws as `readFound` does, and
 * `CorruptStateError` for a row that this store did not write.
 */
export function readRows(
  result: unknown,
  { keys, oldestFirst }: { readonly keys: RecordKeys; readonly oldestFirst: boolean | undefined },
): HistoryRow[] {
  const { head, history } = keys;
  const [kind, rows]: readonly unknown[] = Array.isArray(result) ? result : [];
  if (kind !== "rows" || !Array.isArray(rows)) {
    readFound(result, head);
    return []; // No record, or a tombstone.
  }
  const damage: Damaged = (reason, cause) => damaged(history, reason, cause);
  const read = rows.map((row) => {
    const [line = "", entry = "", state = null, ...more] = String(row).split("\n");
    const [version = Number.NaN, at = Number.NaN, , , size] = line.split(" ").map(Number);
    const bytes = Buffer.byteLength(entry) + Buffer.byteLength(state ?? "");
    const isWhole = Number.isFinite(version) && Number.isFinite(at) && size === bytes;
    if (!isWhole || more.length > 0) throw damage("a row of its history is unreadable");
    return toHistoryRow({ version, at, entry, state }, (json) => parseJson(json, damage));
  });
  return oldestFirst === true ? read : read.toReversed();
}

/** A number as the scripts take it, "" for none. */
function text(value: number | undefined): string {
  return value === undefined || value === Infinity ? "" : String(value);
}
