/**
 * Batches of writes: what is sent of each, in which groups, and what the answers mean.
 *
 * Invariants
 *  W1  Everything is put into JSON before anything is sent, so a state that cannot be is no harm.
 *  W2  Writes of one key go one after another, in the order of the batch.
 *  W3  A repeat finds out from the row whether the attempt before took effect; when others wrote so
 *      often since that the row has forgotten, the outcome is unknown.
 */
import { CommitUnknownError, isHoldfastError, StateTooLargeError } from "../../actors/errors.ts";
import { toAsciiKey } from "./ascii-key.ts";
import type { LargeKeys } from "./large-keys.ts";
import type { PostgresRow, PostgresSession, PostgresValue } from "./postgres-driver.ts";
import type { RecordReader } from "./postgres-record.ts";
import { APART_FROM_CHARS, type Statements } from "./postgres-sql.ts";
import type { ScopeWrite, StoredRecord, WriteResult } from "./store.ts";
import { conflict, patchesOf, stateText, toJsonText } from "./write-check.ts";

/** Rows in one statement; about the fastest where it was measured. */
export const GROUP_MAX = 100;
/** Characters of JSON in one statement, so that one burst of large states is sent in parts. */
const GROUP_CHARS_MAX = 2 ** 24;
/** So often a statement is sent for rows that others made or unmade meanwhile. */
const ROUNDS_MAX = 20;

/** A write as it is sent. */
export interface WriteRow {
  readonly write: ScopeWrite;
  readonly key: string;
  /** Remembered in the row, so that a repeat is known. */
  readonly op: string;
  /** The JSON of the new state, null for a delete; `undefined` when the patches are tried alone. */
  state: string | null | undefined;
  /** The JSON of the change, when the stored state may be large. */
  patches: string | null;
}

/** What a writer needs. */
export interface WriterSettings {
  readonly statements: Statements;
  readonly reader: RecordReader;
  readonly large: LargeKeys;
  /** Names the store object in operation ids. */
  readonly writer: string;
  readonly maxStateBytes: number;
  /** The token of the exclusive turn of a key, if this store object has one. */
  readonly leaseOf: (key: string) => string | undefined;
}

/** A row that did not take effect, and why. */
type Refusal = { readonly again: true } | { readonly again: false; readonly columns: PostgresRow };

/** Sends writes on the connection it is given. */
export class PostgresWriter {
  readonly #settings: WriterSettings;
  #count = 0;

  constructor(settings: WriterSettings) {
    this.#settings = settings;
  }

  /** Puts a batch into rows; throws what is wrong with one of them. */
  prepare(writes: readonly ScopeWrite[]): WriteRow[] {
    return writes.map((write) => this.#row(write));
  }

  /** Sends rows of different keys; `isRepeat`: an earlier attempt may have taken effect. */
  async send(
    session: PostgresSession,
    rows: readonly WriteRow[],
    isRepeat: boolean,
  ): Promise<WriteResult[]> {
    const results = new Map<WriteRow, WriteResult>();
    let left: readonly WriteRow[] = rows;
    for (let round = 0; left.length > 0; round += 1) {
      if (round === ROUNDS_MAX) throw new Error("the rows kept changing");
      left = await this.#round(session, left, { results, isRepeat });
    }
    return rows.map((row) => results.get(row) ?? { ok: true, version: row.write.version });
  }

  /** Reads records, in the order of the keys, which are encoded. */
  async load(
    session: PostgresSession,
    keys: readonly string[],
  ): Promise<(StoredRecord | undefined)[]> {
    const { statements, reader, large } = this.#settings;
    const records: (StoredRecord | undefined)[] = keys.map(() => undefined);
    if (keys.length === 0) return records;
    for (const columns of await session.query(statements.load, [keys])) {
      const row = reader.row(columns);
      if (row.baseSize >= APART_FROM_CHARS) large.add(row.key);
      records[Number(columns["at"]) - 1] = reader.record(row, columns["log"]);
    }
    return records;
  }

  /** One statement; gives the rows that have to be sent again. */
  async #round(
    session: PostgresSession,
    rows: readonly WriteRow[],
    { results, isRepeat }: { results: Map<WriteRow, WriteResult>; isRepeat: boolean },
  ): Promise<WriteRow[]> {
    const { statements, large, leaseOf } = this.#settings;
    const refused = await session.query(statements.commit, parameters(rows, leaseOf));
    for (const { key, state, patches } of rows)
      if (isLarge(state) || patches !== null) large.add(key);
      else large.delete(key);
    const again: WriteRow[] = [];
    const logged: WriteRow[] = [];
    for (const columns of refused) {
      const row = rows[Number(columns["at"]) - 1];
      if (row === undefined) continue;
      const refusal = refusalOf(row, columns, isRepeat);
      if (refusal === undefined) continue;
      if (refusal.again) again.push(whole(row));
      else if (Number(columns["log_count"]) > 0) logged.push(row);
      else results.set(row, conflict(this.#current(columns)));
    }
    const keys = logged.map(({ key }) => key);
    const records = await this.load(session, keys);
    logged.forEach((row, index) => results.set(row, conflict(records[index])));
    return again;
  }

  #current(columns: PostgresRow): StoredRecord | undefined {
    if (columns["found"] !== true) return undefined;
    const { reader } = this.#settings;
    return reader.record(reader.row(columns), undefined);
  }

  #row(write: ScopeWrite): WriteRow {
    const { writer, large } = this.#settings;
    this.#count += 1;
    const key = toAsciiKey(write.key);
    const row: WriteRow = {
      write,
      key,
      op: `${writer}-${this.#count.toString(36)}`,
      state: undefined,
      patches: null,
    };
    const mayAppend = write.expectedVersion > 0;
    if (mayAppend && large.has(key)) row.patches = this.#patches(write);
    if (row.patches !== null) return row;
    row.state = this.#checked(stateText(write) ?? null);
    // Not known yet as large: the state goes along, for the case that the stored one is small.
    if (mayAppend && isLarge(row.state)) row.patches = this.#patches(write);
    return row;
  }

  #patches(write: ScopeWrite): string | null {
    const patches = patchesOf(write);
    return patches === undefined ? null : this.#checked(toJsonText(patches));
  }

  #checked<T extends string | null>(text: T): T {
    const { maxStateBytes } = this.#settings;
    // A character has at most three bytes: most texts need not be counted.
    if (text === null || text.length * 3 <= maxStateBytes) return text;
    const sizeBytes = Buffer.byteLength(text);
    if (sizeBytes <= maxStateBytes) return text;
    throw new StateTooLargeError({ sizeBytes, limitBytes: maxStateBytes });
  }
}

/**
 * Batches of rows such that no key is twice in one. Each is in the order of its keys, so that the
 * transaction of several statements locks rows in that order as well.
 */
export function wavesOf(rows: readonly WriteRow[]): WriteRow[][] {
  const waves: WriteRow[][] = [];
  const seen = new Map<string, number>();
  for (const row of rows) {
    const wave = seen.get(row.key) ?? 0;
    seen.set(row.key, wave + 1);
    (waves[wave] ??= []).push(row);
  }
  return waves.map((wave) => wave.toSorted((a, b) => (a.key < b.key ? -1 : 1)));
}

/** Parts of a wave that are sent as one statement each. */
export function groupsOf(rows: readonly WriteRow[]): WriteRow[][] {
  const groups: WriteRow[][] = [];
  let chars = Infinity;
  for (const row of rows) {
    const size = (row.state?.length ?? 0) + (row.patches?.length ?? 0);
    const last = groups.at(-1);
    if (last === undefined || last.length >= GROUP_MAX || chars + size > GROUP_CHARS_MAX) {
      groups.push([row]);
      chars = size;
    } else {
      last.push(row);
      chars += size;
    }
  }
  return groups;
}

/** The error of a batch whose statements failed so; `isPartly`: something of it took effect. */
export function failureOf(failures: readonly unknown[], isPartly: boolean): unknown {
  const unknown = failures.find((failure) => isHoldfastError(failure, "COMMIT_UNKNOWN"));
  if (unknown !== undefined || !isPartly) return unknown ?? failures[0];
  return new CommitUnknownError({ cause: failures[0] });
}

function isLarge(state: string | null | undefined): boolean {
  return typeof state === "string" && state.length >= APART_FROM_CHARS;
}

/** The row with its whole state. */
function whole(row: WriteRow): WriteRow {
  if (row.state === undefined) row.state = stateText(row.write) ?? null;
  row.patches = null;
  return row;
}

/** Why a row did not take effect; `undefined`: it did, in an earlier attempt. */
function refusalOf(row: WriteRow, columns: PostgresRow, isRepeat: boolean): Refusal | undefined {
  const { expectedVersion } = row.write;
  if (columns["found"] !== true)
    // Not there when the statement began, but there when it was to be made.
    return expectedVersion === 0 ? { again: true } : { again: false, columns };
  if (columns["fits"] === true) return { again: true };
  const ops = Array.isArray(columns["ops"]) ? columns["ops"].map(String) : [];
  if (ops.includes(`${expectedVersion}.${row.op}`)) return undefined;
  if (isRepeat && isForgotten(ops, expectedVersion, Number(columns["version"])))
    throw new CommitUnknownError();
  return { again: false, columns };
}

/** True when the row no longer knows who wrote over `expected`. */
function isForgotten(ops: readonly string[], expected: number, version: number): boolean {
  const oldest = ops.at(-1);
  return version > expected && (oldest === undefined || Number.parseInt(oldest, 10) > expected);
}

function parameters(
  rows: readonly WriteRow[],
  leaseOf: WriterSettings["leaseOf"],
): PostgresValue[] {
  return [
    rows.map(({ key }) => key),
    rows.map(({ write }) => write.expectedVersion),
    rows.map(({ write }) => write.version),
    rows.map(({ state }) => state !== undefined),
    rows.map(({ state }) => state ?? null),
    rows.map(({ patches }) => patches),
    rows.map(({ write }) => write.ttlMs ?? null),
    rows.map(({ op }) => op),
    rows.map(({ write }) => leaseOf(write.key) ?? null),
  ];
}
