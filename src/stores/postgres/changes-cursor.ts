/**
 * The position up to which the changes of others were read, and which of a query's rows are new.
 *
 * Invariants
 *  C1  A change is in the `changes` of at least one look, or a later look is `isMissed`.
 *  C2  After a lost connection the next look is `isMissed`: its server may have been promoted, and
 *      may assign transaction numbers again that were assigned before.
 *  C3  Too many changes for one look are skipped with `isMissed`, then and once more when all
 *      transactions that ran then are over: until that, no look finds them again.
 */
import type { PostgresRow } from "./connection.ts";
import { CHANGES_MAX } from "./sql.ts";

/** The result of a look: encoded keys with their versions, and whether there were more. */
export interface Look {
  readonly changes: readonly (readonly [key: string, version: number])[];
  readonly isMissed: boolean;
}

/** The cursor of one change stream. */
export class ChangesCursor {
  /** A transaction number; `undefined` until the first look. */
  #at: bigint | undefined;
  /** When all transactions before this number are over, C3 is met. */
  #owed: bigint | undefined;
  #isLost = false;
  /** What the last look found and the next may find again. */
  #seen: ReadonlyMap<string, number> = new Map();

  /** The parameter of the next look; null for the first, which only finds the start. */
  get at(): string | null {
    return this.#at?.toString() ?? null;
  }

  /** Notes that the connection was lost. */
  lose(): void {
    this.#isLost = true;
  }

  /** Reads the rows of a look. */
  read(rows: readonly PostgresRow[]): Look {
    const next = numberOf(rows[0], "next");
    const before = this.#at === undefined ? undefined : this.#seen;
    const isFlood = rows.length > CHANGES_MAX && before !== undefined;
    const isSettled = this.#owed !== undefined && next >= this.#owed;
    const isLost = this.#isLost;
    if (isLost || isSettled) this.#owed = undefined;
    if (isFlood) this.#owed = numberOf(rows[0], "top");
    this.#at = this.#owed ?? next;
    this.#isLost = false;
    this.#seen = changesIn(rows);
    if (before === undefined) return { changes: [], isMissed: false };
    if (isFlood) return { changes: [], isMissed: true };
    const changes = [...this.#seen].filter(([key, version]) => (before.get(key) ?? 0) < version);
    return { changes, isMissed: isLost || isSettled };
  }
}

function numberOf(row: PostgresRow | undefined, name: string): bigint {
  return BigInt(String(row?.[name]));
}

function changesIn(rows: readonly PostgresRow[]): ReadonlyMap<string, number> {
  return new Map(
    rows.flatMap(({ key, version }) => (typeof key === "string" ? [[key, Number(version)]] : [])),
  );
}
