/** The histories of records in memory, by key: rows as texts, oldest first. */
import type { Json } from "../../../actors/protocol.ts";
import type { HistoryKeep, HistoryQuery, HistoryRow, ScopeWrite } from "../contract.ts";
import {
  type PlacedRow,
  placeRows,
  prunedCount,
  selectRows,
  toHistoryRow,
} from "../shared/history-rows.ts";

/** The rows that are there already, and those that a batch adds behind them. */
export interface StagedRows {
  readonly before: readonly PlacedRow[];
  readonly added: readonly PlacedRow[];
  readonly keep: HistoryKeep;
}

const NO_ROWS: StagedRows = { before: [], added: [], keep: {} };

function parse(text: string): Json {
  return JSON.parse(text) as Json; // The texts were made from a Json.
}

/** See the head of this file. */
export class Histories {
  readonly #rows = new Map<string, PlacedRow[]>();

  /** The rows after `write`, after those that its batch has staged; changes nothing yet. */
  staged(write: ScopeWrite, earlier: StagedRows | undefined, isDelete: boolean): StagedRows {
    const { history, key } = write;
    if (isDelete) return NO_ROWS;
    const present = earlier ?? { ...NO_ROWS, before: this.#rows.get(key) ?? [] };
    if (history === undefined) return present;
    const { before, added } = history.fresh === true ? NO_ROWS : present;
    const rows = placeRows(write, added.at(-1) ?? before.at(-1));
    return { before, added: added.length === 0 ? rows : [...added, ...rows], keep: history.keep };
  }

  /** Adds what was staged, and removes what is not kept. */
  add(key: string, { before, added, keep }: StagedRows): void {
    if (before.length + added.length === 0) return void this.#rows.delete(key);
    if (added.length === 0) return;
    const known = this.#rows.get(key);
    const rows = known !== undefined && known === before ? known : [...before];
    for (const row of added) rows.push(row);
    rows.splice(0, prunedCount(rows, { keep, added: added.length }));
    this.#rows.set(key, rows);
  }

  select(key: string, query: HistoryQuery): HistoryRow[] {
    return selectRows(this.#rows.get(key) ?? [], query).map((row) => toHistoryRow(row, parse));
  }

  /** Removes what is not kept; returns how many there were. */
  prune(key: string, keep: HistoryKeep): number {
    const rows = this.#rows.get(key) ?? [];
    const count = prunedCount(rows, { keep });
    if (count === rows.length) this.#rows.delete(key);
    else if (count > 0) this.#rows.set(key, rows.slice(count));
    return count;
  }

  delete(key: string): void {
    this.#rows.delete(key);
  }

  clear(): void {
    this.#rows.clear();
  }
}
