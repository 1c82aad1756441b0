/**
 * The checks of a batch: the parameters they are sent as, and how their rows are read.
 *
 * Beside writes they are part of the statement of the writes. In an atomic batch they lock their
 * rows FOR SHARE, in one order with those of the writes, so their result is valid until the batch
 * takes effect. A missing row is made for that time, with version 0, and removed before the end
 * (`placeholders`).
 */
import { StoreUnavailableError } from "../../../actors/errors.ts";
import { toAsciiKey } from "../shared/ascii-key.ts";
import type { PostgresRow, PostgresValue } from "./connection.ts";
import type { WriteRow } from "./rows.ts";
import type { StoredRecord, VersionCheck, WriteResult } from "../contract.ts";
import { conflict } from "../shared/writes.ts";

/** One check as it is sent. */
export interface CheckRow {
  readonly key: string;
  readonly expectedVersion: number;
}

/** The parameters of checks, which follow those of the writes. */
export function checkParameters(checks: readonly CheckRow[]): PostgresValue[] {
  return [checks.map(({ key }) => key), checks.map(({ expectedVersion }) => expectedVersion)];
}

/**
 * Assigns to each group of writes the checks that go with it: those whose keys sort before its last
 * one, so that one transaction of several statements locks in the order of keys.
 */
export function checksOfGroups(
  groups: readonly (readonly WriteRow[])[],
  checks: readonly CheckRow[],
): CheckRow[][] {
  const last = groups.length - 1;
  const ends = groups.map((group) => group.at(-1)?.key ?? "");
  const parts: CheckRow[][] = groups.map(() => []);
  for (const check of checks) {
    const at = ends.findIndex((end) => check.key <= end);
    parts[at === -1 ? last : at]?.push(check);
  }
  return parts;
}

/** The checks of a batch and their results, over all attempts to send them. */
export class CheckAnswers {
  readonly rows: readonly CheckRow[];
  /** All writes of the batch depend on them. */
  readonly isGuard: boolean;
  /** Keys of rows that were made for the time of the transaction. */
  readonly placeholders: Set<string> = new Set<string>();
  readonly #results = new Map<CheckRow, WriteResult>();

  constructor(checks: readonly VersionCheck[], isGuard: boolean) {
    this.rows = checks.map(({ key, expectedVersion }) => ({
      key: toAsciiKey(key),
      expectedVersion,
    }));
    this.isGuard = isGuard;
  }

  /** In the order of the checks. */
  get results(): WriteResult[] {
    return this.rows.map((row) => this.#results.get(row) ?? conflict(undefined));
  }

  /** Forgets the results of an attempt that was rolled back. */
  clear(): void {
    this.#results.clear();
    this.placeholders.clear();
  }

  /** Those of `checks` that have no result yet. */
  open(checks: readonly CheckRow[]): CheckRow[] {
    return checks.filter((check) => !this.#results.has(check));
  }

  /** Sets the record that was found for a check. */
  answer(check: CheckRow, record: StoredRecord | undefined): void {
    const { expectedVersion: version } = check;
    const isSame = (record?.version ?? 0) === version;
    this.#results.set(check, isSame ? { ok: true, version } : conflict(record));
  }

  /** The checks succeeded. */
  confirm(checks: readonly CheckRow[]): void {
    for (const check of checks)
      this.#results.set(check, { ok: true, version: check.expectedVersion });
  }

  /** A check failed, and there is no record or it cannot be read here. */
  refuse(check: CheckRow): void {
    this.#results.set(check, conflict(undefined));
  }
}

/** The checks that failed, with the rows that give the reason. */
export function failedChecks(
  answers: CheckAnswers,
  checks: readonly CheckRow[],
  found: readonly PostgresRow[],
): Map<CheckRow, PostgresRow> {
  const failed = new Map<CheckRow, PostgresRow>();
  for (const columns of found) {
    const check = checks[-Number(columns["at"]) - 1];
    if (check === undefined) continue;
    if (columns["fits"] === true) answers.placeholders.add(check.key);
    else failed.set(check, columns);
  }
  answers.confirm(checks.filter((check) => !failed.has(check)));
  return failed;
}

/** Refuses a row of a standby, whose copy may be older; the row states it. */
export function refuseStandby(found: readonly PostgresRow[]): void {
  const first = found.find(({ at }) => Number(at) === 0);
  if (first?.["found"] === false) return;
  throw new StoreUnavailableError(
    "this server is a standby, whose copy may be older; connect to the primary",
  );
}
