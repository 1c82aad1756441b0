/**
 * Batches of writes: the rows they are sent as, and how the results are read.
 *
 * Invariants
 *  W1  All JSON is made before anything is sent, so a state without JSON fails without effect. The
 *      state of a large record is not computed until its log must be folded.
 *  W2  Writes of one key run one after another, in the order of the batch.
 *  W3  A repeat reads from the row whether the earlier attempt took effect; when so many other
 *      writes followed that the row no longer stores it, the outcome is unknown.
 *  W4  Writes that took effect are noted before the rest of the result is read, so that a failure
 *      after it cannot pass for a batch without effect.
 *  W5  A key that failed while others of its batch may have taken effect is read, and its state
 *      computed, before its next batch is sent: it fails one batch at most.
 */
import { performance } from "node:perf_hooks";
import { CommitUnknownError } from "../../../actors/errors.ts";
import { toAsciiKey } from "../shared/ascii-key.ts";
import { APART_FROM_CHARS, isLarge, type LargeKeys } from "../shared/large-records.ts";
import { OPS_MAX, OPS_OF_ONE, OPS_SECONDS } from "./commit-sql.ts";
import {
  type CheckAnswers,
  checkParameters,
  type CheckRow,
  failedChecks,
  refuseStandby,
} from "./checks.ts";
import type { PostgresRow, PostgresSession, PostgresStatement } from "./connection.ts";
import { hasHistory, historyPart } from "./history.ts";
import type { RecordReader } from "./reader.ts";
import { parametersOf, type WriteRow } from "./rows.ts";
import type { Statements } from "./sql.ts";
import type { ScopeWrite, StoredRecord, VersionCheck, WriteResult } from "../contract.ts";
import type { TombstoneRule } from "../shared/tombstones.ts";
import { checkBytes, conflict, patchesOf, stateText, toJsonText } from "../shared/writes.ts";

/** How often a statement is sent for rows that others made or removed meanwhile. */
const SENDS_MAX = 20;
/** A write of this age may be forgotten; a margin before the server's limit; milliseconds. */
const FORGOTTEN_MS = (OPS_SECONDS - 5) * 1_000;
/** The most keys that failed which are remembered. */
const SUSPECTS_MAX = 1_000;

/** What a writer needs. */
export interface WriterSettings {
  readonly statements: Statements;
  readonly reader: RecordReader;
  readonly large: LargeKeys;
  /** Names the store object in operation ids. */
  readonly writer: string;
  readonly maxStateBytes: number;
  readonly tombstones: TombstoneRule;
  /** The token of the exclusive section of a key, if this store object has one. */
  readonly leaseOf: (key: string) => string | undefined;
}

/** The state of a group of rows, over all attempts to send it. */
export interface Attempt {
  /** The results so far; a row that has one is not sent again. */
  readonly results: Map<WriteRow, WriteResult>;
  /** True when an earlier attempt may have taken effect. */
  readonly isRepeat: boolean;
  /** The checks that go with the rows. */
  readonly checks: readonly CheckRow[];
  readonly answers: CheckAnswers;
}

/** Sends writes on the connection it is given. */
export class PostgresWriter {
  readonly #settings: WriterSettings;
  readonly #suspects = new Set<string>();
  #count = 0;

  constructor(settings: WriterSettings) {
    this.#settings = settings;
  }

  /** The encoded keys to `load` before a batch of writes and checks is prepared; see W5. */
  suspectsOf(batch: readonly VersionCheck[]): string[] {
    if (this.#suspects.size === 0) return [];
    return batch.map(({ key }) => toAsciiKey(key)).filter((key) => this.#suspects.has(key));
  }

  /** Converts a batch to rows; throws for an invalid write. */
  prepare(writes: readonly ScopeWrite[], checks: readonly CheckRow[]): WriteRow[] {
    const rows = writes.map((write) => this.#row(write));
    if (this.#suspects.size > 0)
      for (const { key } of [...rows, ...checks]) this.#suspects.delete(key);
    return rows;
  }

  /** Sends rows of different keys, with their checks, and notes all results. */
  async send(session: PostgresSession, rows: readonly WriteRow[], attempt: Attempt): Promise<void> {
    let left = rows.filter((row) => !attempt.results.has(row));
    for (let sends = 0; left.length > 0; sends += 1) {
      if (sends === SENDS_MAX) throw new Error("the rows kept changing");
      left = await this.#sendOnce(session, left, attempt);
    }
    await this.check(session, attempt);
  }

  /** Sends the checks that have no result yet. */
  async check(
    session: PostgresSession,
    { checks, answers }: Pick<Attempt, "checks" | "answers">,
  ): Promise<void> {
    const open = answers.open(checks);
    if (open.length === 0) return;
    const found = await session.query(this.#settings.statements.check, checkParameters(open));
    refuseStandby(found);
    await this.#settle(session, { checks: open, answers }, found);
  }

  /** Reads records, in the order of the keys, which are encoded. */
  async load(
    session: PostgresSession,
    keys: readonly string[],
  ): Promise<(StoredRecord | undefined)[]> {
    const { statements, reader, large } = this.#settings;
    const records: (StoredRecord | undefined)[] = keys.map(() => undefined);
    if (keys.length === 0) return records;
    for (const columns of await session.query(statements.load, [keys]))
      this.#suspecting(String(columns["key"]), () => {
        const row = reader.row(columns);
        if (row.baseSize >= APART_FROM_CHARS) large.add(row.key);
        records[Number(columns["at"]) - 1] = reader.record(row, columns["log"]);
      });
    return records;
  }

  /** Runs one statement; resolves to the rows that must be sent again. */
  async #sendOnce(
    session: PostgresSession,
    rows: readonly WriteRow[],
    { results, isRepeat, checks, answers }: Attempt,
  ): Promise<WriteRow[]> {
    const { leaseOf, tombstones } = this.#settings;
    const leases = rows.map(({ write }) => leaseOf(write.key) ?? null);
    const open = answers.open(checks);
    const values = parametersOf(rows, { leases, patience: session.patience(), tombstones });
    if (open.length > 0) values.push(...checkParameters(open));
    const statement = this.#statement(rows, open.length === 0 ? undefined : answers);
    const found = await session.query(statement, values);
    const refused = new Map(found.map((columns) => [rows[Number(columns["at"]) - 1], columns]));
    const again: WriteRow[] = [];
    const conflicts = new Map<WriteRow, PostgresRow>();
    for (const [at, row] of rows.entries()) {
      const columns = refused.get(row);
      const end = columns && endOf(row, columns, { isRepeat, isLeased: leases[at] !== null });
      if (end === "again") again.push(row);
      else if (columns !== undefined && end === "conflict") conflicts.set(row, columns);
      else results.set(row, { ok: true, version: row.write.version });
    }
    this.#noteSizes(rows);
    await this.#settle(session, { checks: open, answers }, found);
    // When an earlier attempt took effect as a whole, its checks succeeded.
    const isDone = rows.some((row) => refused.has(row) && results.has(row));
    if (isDone && answers.isGuard) answers.confirm(checks);
    for (const [row, record] of await this.#met(session, conflicts))
      results.set(row, conflict(record));
    return again.map((row) => this.#suspecting(row.key, () => this.#whole(row)));
  }

  #statement(rows: readonly WriteRow[], answers: CheckAnswers | undefined): PostgresStatement {
    const name = rows.some(hasHistory) ? "commitHistory" : "commit";
    if (answers === undefined) return this.#settings.statements[name];
    return this.#settings.statements[`${name}${answers.isGuard ? "Guarded" : "Checked"}`];
  }

  /** Notes the results of checks. */
  async #settle(
    session: PostgresSession,
    { checks, answers }: Pick<Attempt, "checks" | "answers">,
    found: readonly PostgresRow[],
  ): Promise<void> {
    const failed = failedChecks(answers, checks, found);
    for (const [check, record] of await this.#met(session, failed))
      if (failed.get(check)?.["found"] === true) answers.answer(check, record);
      else answers.refuse(check);
  }

  /** The records that refused rows or checks have met; those with a log are loaded. */
  async #met<T extends { readonly key: string }>(
    session: PostgresSession,
    refused: ReadonlyMap<T, PostgresRow>,
  ): Promise<[T, StoredRecord | undefined][]> {
    const logged = [...refused].filter(([, columns]) => Number(columns["log_count"]) > 0);
    const keys = logged.map(([{ key }]) => key);
    const loaded = await this.load(session, keys);
    const records = new Map(keys.map((key, at) => [key, loaded[at]]));
    const { reader } = this.#settings;
    return [...refused].map(([each, columns]) => {
      const { key } = each;
      if (records.has(key) || columns["found"] !== true) return [each, records.get(key)];
      return [each, this.#suspecting(key, () => reader.record(reader.row(columns), undefined))];
    });
  }

  /** Runs `work`, and remembers `key` when it throws. */
  #suspecting<T>(key: string, work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (this.#suspects.size >= SUSPECTS_MAX) this.#suspects.clear();
      this.#suspects.add(key);
      throw error;
    }
  }

  #noteSizes(rows: readonly WriteRow[]): void {
    const { large } = this.#settings;
    for (const { key, state, patches } of rows)
      if (isLarge(state) || patches !== null) large.add(key);
      else large.delete(key);
  }

  #row(write: ScopeWrite): WriteRow {
    const { writer, large } = this.#settings;
    this.#count += 1;
    const key = toAsciiKey(write.key);
    const row: WriteRow = {
      write,
      key,
      op: `${writer}-${this.#count.toString(36)}`,
      since: performance.now(),
      state: undefined,
      patches: null,
      history: historyPart(write, this.#settings.maxStateBytes),
    };
    const mayAppend = write.expectedVersion > 0;
    const isKnown = large.has(key) && !this.#suspects.has(key);
    if (mayAppend && isKnown) row.patches = this.#patches(write);
    if (row.patches !== null) return row;
    row.state = this.#checked(stateText(write) ?? null);
    // Not known as large yet: the state is sent too, in case the stored one is small.
    if (mayAppend && isLarge(row.state)) row.patches = this.#patches(write);
    return row;
  }

  /** The row with its whole state, which the log is folded into. */
  #whole(row: WriteRow): WriteRow {
    if (row.state === undefined) row.state = this.#checked(stateText(row.write) ?? null);
    row.patches = null;
    return row;
  }

  #patches(write: ScopeWrite): string | null {
    const patches = patchesOf(write);
    return patches === undefined ? null : this.#checked(toJsonText(patches));
  }

  #checked<T extends string | null>(text: T): T {
    if (text !== null) checkBytes(text, this.#settings.maxStateBytes);
    return text;
  }
}

/** What became of a row that the statement refused; `done`: an earlier attempt took effect. */
function endOf(
  row: WriteRow,
  columns: PostgresRow,
  { isRepeat, isLeased }: { readonly isRepeat: boolean; readonly isLeased: boolean },
): "again" | "conflict" | "done" {
  const { expectedVersion } = row.write;
  if (columns["found"] !== true)
    // Missing when the statement began, but present at the insert. A lease has a row: without the
    // row there is no lease.
    return expectedVersion === 0 && !isLeased ? "again" : "conflict";
  if (columns["fits"] === true) return "again";
  const ops = Array.isArray(columns["ops"]) ? columns["ops"].map(String) : [];
  if (ops.some((entry) => entry.endsWith(`.${row.op}@${expectedVersion}`))) return "done";
  if (isRepeat && Number(columns["version"]) > expectedVersion && isForgotten(row, ops))
    throw new CommitUnknownError();
  return "conflict";
}

/** True when `ops`, which lack the write of `row`, may have had it. */
function isForgotten({ write, op, since }: WriteRow, ops: readonly string[]): boolean {
  const isOld = performance.now() - since > FORGOTTEN_MS;
  if (isOld || ops.length === 0) return true;
  const later = ops.filter((entry) => Number(entry.split("@").at(-1)) > write.expectedVersion);
  const mine = `.${op.slice(0, op.indexOf("-"))}-`;
  const count = later.filter((entry) => entry.includes(mine)).length;
  return count >= OPS_OF_ONE || later.length >= OPS_MAX;
}
