/** The rows of histories: written in the transaction of their state, read and checked. */
import { crc32 } from "node:zlib";
import { CorruptStateError } from "../../../actors/errors.ts";
import { fromAsciiKey, toAsciiKey } from "../shared/ascii-key.ts";
import {
  hasLimit,
  keptFrom,
  type PlacedRow,
  placeRows,
  PRUNED_AT_ONCE,
  PRUNED_SPARE,
  type RowBounds,
  type RowPlace,
  toHistoryRow,
} from "../shared/history-rows.ts";
import { parseJson } from "../shared/patch-log.ts";
import { bytesToText } from "./driver.ts";
import type { Statements } from "./schema.ts";
import type {
  HistoryKeep,
  HistoryQuery,
  HistoryRow,
  HistoryWrite,
  ScopeWrite,
} from "../contract.ts";

/** More than any version and any number of rows. */
const MOST = Number.MAX_SAFE_INTEGER;

/** The histories of one connection; the path is for messages. */
export class HistoryTable {
  readonly #statements: Statements;
  readonly #path: string;

  constructor(statements: Statements, path: string) {
    this.#statements = statements;
    this.#path = path;
  }

  /** Adds the rows of a write that took effect, and removes what is not kept. */
  add(write: ScopeWrite, history: HistoryWrite): void {
    const { addChange, dropChanges, pruneChanges } = this.#statements;
    const key = toAsciiKey(write.key);
    if (history.fresh === true) dropChanges.run(key);
    const rows = placeRows(write, history.fresh === true ? undefined : this.#last(key));
    for (const row of rows) {
      const { version, at, seq, start, size, entry, state } = row;
      addChange.run(version, at, seq, start, size, rowSum(key, row), entry, state, key);
    }
    const newest = rows.at(-1);
    if (newest === undefined || !hasLimit(history.keep)) return;
    const { seq, at, start } = keptFrom(newest, history.keep);
    pruneChanges.run(key, key, rows.length + PRUNED_SPARE, seq, at, start);
  }

  /** Removes rows that are not kept, up to a number; returns how many. */
  prune(name: string, keep: HistoryKeep): number {
    const key = toAsciiKey(name);
    const { seq, at, start } = this.#bounds(key, { keep });
    const { pruneChanges } = this.#statements;
    return Number(pruneChanges.run(key, key, PRUNED_AT_ONCE, seq, at, start).changes);
  }

  /** Removes all rows of an encoded key. */
  drop(key: string): void {
    this.#statements.dropChanges.run(key);
  }

  /** The rows of a living record; call it inside a transaction. */
  read(name: string, query: HistoryQuery, now: number): HistoryRow[] {
    const { before = MOST, after = 0, limit = MOST, oldestFirst = false } = query;
    const key = toAsciiKey(name);
    const { seq, at, start } = this.#bounds(key, query);
    const { changesUp, changesDown } = this.#statements;
    const statement = oldestFirst ? changesUp : changesDown;
    const rows = statement.all(key, now, after, before, seq, at, start, limit);
    const parse = (text: string): HistoryRow["entry"] =>
      parseJson(text, (reason) => this.#damaged(key, reason));
    return rows.map((row) => toHistoryRow(this.#checked(key, row), parse));
  }

  #bounds(key: string, { keep = {} }: HistoryQuery): RowBounds {
    const newest = hasLimit(keep) ? this.#last(key) : undefined;
    return newest === undefined ? { seq: 0, at: 0, start: 0 } : keptFrom(newest, keep);
  }

  #last(key: string): RowPlace | undefined {
    const row = this.#statements.lastChange.get(key);
    return row === undefined || row === null ? undefined : this.#placeOf(key, row);
  }

  #placeOf(key: string, row: unknown): RowPlace {
    // Columns are read as unknown and each is checked before it is used.
    const { version, at, seq, start, size } = row as Record<string, unknown>;
    for (const value of [version, at, seq, start, size])
      if (typeof value !== "number") throw this.#damaged(key, "unreadable row of its history");
    return { version, at, seq, start, size } as RowPlace; // All are numbers.
  }

  #checked(key: string, row: unknown): PlacedRow {
    const place = this.#placeOf(key, row);
    // As above.
    const { entry, state, sum } = row as Record<string, unknown>;
    const text = bytesToText(entry);
    const whole = state === null ? null : bytesToText(state);
    if (text === undefined || whole === undefined)
      throw this.#damaged(key, "unreadable row of its history");
    const placed = { ...place, entry: text, state: whole };
    if (rowSum(key, placed) === sum) return placed;
    throw this.#damaged(key, "checksum of its history does not match");
  }

  #damaged(key: string, reason: string): CorruptStateError {
    const location = `${this.#path}, key ${JSON.stringify(fromAsciiKey(key))}`;
    return new CorruptStateError({ location, reason });
  }
}

function rowSum(key: string, { version, at, seq, start, size, entry, state }: PlacedRow): number {
  const sum = crc32(entry, crc32(`${version} ${at} ${seq} ${start} ${size} ${key}`));
  return state === null ? sum : crc32(state, sum);
}
