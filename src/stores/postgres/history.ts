/** The rows of histories as they are sent to PostgreSQL and read from it; see `history-sql.ts`. */
import { CorruptStateError } from "../../../actors/errors.ts";
import type { HistoryKeep, HistoryQuery, HistoryRow, ScopeWrite } from "../contract.ts";
import {
  placeRows,
  type PlacedRow,
  pruneAll,
  PRUNED_AT_ONCE,
  toHistoryRow,
} from "../shared/history-rows.ts";
import { parseJson } from "../shared/patch-log.ts";
import { checkBytes } from "../shared/writes.ts";
import type { PostgresCalls } from "./calls.ts";
import type { PostgresRow, PostgresStatement, PostgresValue } from "./connection.ts";

/** What a write adds to the history of its record. */
export interface HistoryPart {
  /** Placed as if there were none before: the statement adds their place. */
  readonly rows: readonly PlacedRow[];
  readonly keep: HistoryKeep;
  readonly fresh: boolean;
  /** Characters of its JSON. */
  readonly chars: number;
}

/** What a row of a batch has to say of its history. */
interface HistoryOwner {
  readonly state: string | null | undefined;
  readonly history: HistoryPart | undefined;
}

const NOTHING: Pick<HistoryPart, "rows" | "keep"> = { rows: [], keep: {} };
/** More than any version. */
const MOST = Number.MAX_SAFE_INTEGER;

/** Computes what a write adds; throws for rows that cannot be stored. */
export function historyPart(write: ScopeWrite, bytesMax: number): HistoryPart | undefined {
  const { history } = write;
  if (history === undefined) return undefined;
  const rows = placeRows(write, undefined);
  let chars = 0;
  for (const { entry, state } of rows)
    for (const text of [entry, state ?? ""]) {
      checkBytes(text, bytesMax);
      chars += text.length;
    }
  return { rows, keep: history.keep, fresh: history.fresh === true, chars };
}

/** True when the statement of a row must know of histories: a delete removes one. */
export function hasHistory({ history, state }: HistoryOwner): boolean {
  return history !== undefined || state === null;
}

/** The parameters of histories. */
export function historyParameters(owners: readonly HistoryOwner[]): PostgresValue[] {
  const parts = owners.map(({ history, state }) => (state === null ? undefined : history));
  const added = parts.flatMap((part, at) => (part?.rows ?? []).map((row) => ({ row, of: at + 1 })));
  const rows = added.map(({ row }) => row);
  const least = parts.map((part) => leastOf(part ?? NOTHING));
  return [
    owners.map(({ history, state }) => state === null || history?.fresh === true),
    parts.map((part) => part?.rows.length ?? 0),
    least.map(({ isTight }) => isTight),
    least.map(({ seq }) => seq),
    least.map(({ at }) => at),
    least.map(({ start }) => start),
    added.map(({ of }) => of),
    rows.map((row) => row.version),
    rows.map((row) => row.at),
    rows.map((row) => row.seq),
    rows.map((row) => row.start),
    rows.map((row) => row.size),
    rows.map((row) => row.entry),
    rows.map((row) => row.state),
  ];
}

/**
 * What a row must have to be kept, counted from the newest row before; `isTight`: one of those
 * that are added may lack it.
 */
function leastOf({ rows, keep }: Pick<HistoryPart, "rows" | "keep">): {
  readonly isTight: boolean;
  readonly seq: number;
  readonly at: number;
  readonly start: number;
} {
  const { versions = Infinity, sinceMs: at = 0, bytes = Infinity } = keep;
  const [first, newest] = [rows[0], rows.at(-1)];
  if (first === undefined || newest === undefined) return { isTight: false, seq: 0, at, start: 0 };
  const seq = newest.seq + 1 - versions;
  const start = newest.start + newest.size - bytes;
  return { isTight: seq > first.seq || start > 0 || at > first.at, seq, at, start };
}

/** The parameters of a read. */
export function queryParameters(key: string, query: HistoryQuery): PostgresValue[] {
  const { before = MOST, after = 0, limit = MOST, keep = {} } = query;
  const range = [after, before, limit].map((value) => Math.min(Math.ceil(value), MOST));
  return [key, ...range, ...limitsOf(keep)];
}

/** The parameters of `pruneHistory`. */
export function pruneParameters(key: string, keep: HistoryKeep): PostgresValue[] {
  return [key, ...limitsOf(keep), PRUNED_AT_ONCE];
}

/** Removes the rows that the parameters do not keep; resolves to how many there were. */
export function pruneRows(
  calls: Pick<PostgresCalls, "write">,
  statement: PostgresStatement,
  values: readonly PostgresValue[],
): Promise<number> {
  return pruneAll(() =>
    calls.write(async (session) => {
      const [row] = await session.query(statement, values);
      return Number(row?.["count"] ?? 0);
    }),
  );
}

function limitsOf({ versions, sinceMs, bytes }: HistoryKeep): (number | null)[] {
  return [versions ?? null, sinceMs ?? null, bytes ?? null];
}

/** Reads rows; `location` is for the `CorruptStateError` of one that is damaged. */
export function readHistory(found: readonly PostgresRow[], location: string): HistoryRow[] {
  const damaged = (reason: string, cause?: unknown): CorruptStateError =>
    new CorruptStateError({ location, reason }, { cause });
  return found.map((columns) => {
    const { entry, state } = columns;
    const [version, at, size] = ["version", "at", "size"].map((name) => Number(columns[name]));
    const text = typeof state === "string" ? state : null;
    if (typeof entry !== "string" || version === undefined || at === undefined)
      throw damaged("a row of its history is unreadable");
    if (size !== Buffer.byteLength(entry) + Buffer.byteLength(text ?? ""))
      throw damaged("a row of its history is unreadable");
    return toHistoryRow({ version, at, entry, state: text }, (json) => parseJson(json, damaged));
  });
}
