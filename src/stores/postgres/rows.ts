/** The rows of writes as they are sent to PostgreSQL, with their order and groups. */
import { CommitUnknownError, isHoldfastError } from "../../../actors/errors.ts";
import type { PostgresValue } from "./connection.ts";
import { hasHistory, historyParameters, type HistoryPart } from "./history.ts";
import type { ScopeWrite } from "../contract.ts";
import { forgetAfterMs, type TombstoneRule } from "../shared/tombstones.ts";
import { wavesOf } from "../shared/writes.ts";

/** Rows in one statement; near the fastest in measurements. */
export const GROUP_MAX = 100;
/** Characters of JSON in one statement, so that one burst of large states is sent in parts. */
const GROUP_CHARS_MAX = 2 ** 24;

/** A longer key may be too long for the server, which only the server can decide; characters. */
const KEY_SAFE_CHARS = 2_600;

/** A write as it is sent. */
export interface WriteRow {
  readonly write: ScopeWrite;
  readonly key: string;
  /** Stored in the row, so that a repeat is recognized. */
  readonly op: string;
  /** When it was made, by `performance.now()`. */
  readonly since: number;
  /** The JSON of the new state, null for a delete; `undefined` when only the patches are sent. */
  state: string | null | undefined;
  /** The JSON of the change, when the stored state may be large. */
  patches: string | null;
  /** What is added to its history; `undefined`: it stays as it is, unless this is a delete. */
  readonly history: HistoryPart | undefined;
}

/**
 * Batches of rows such that no key is twice in one. Each is in the order of its keys, so that the
 * transaction of several statements locks rows in that order as well. Keys that the server may
 * refuse come before all others, so that nothing was done before a refusal.
 */
export function orderedWavesOf(rows: readonly WriteRow[]): WriteRow[][] {
  const isLong = ({ key }: WriteRow): boolean => key.length > KEY_SAFE_CHARS;
  const parts = [rows.filter(isLong), rows.filter((row) => !isLong(row))];
  const waves = parts.flatMap((part) => wavesOf(part, ({ key }) => key));
  return waves.map((wave) => wave.toSorted((a, b) => (a.key < b.key ? -1 : 1)));
}

/** Parts of a wave, each sent as one statement. */
export function groupsOf(rows: readonly WriteRow[]): WriteRow[][] {
  const groups: WriteRow[][] = [];
  let chars = Infinity;
  for (const row of rows) {
    const { state, patches, history } = row;
    const size = (state?.length ?? 0) + (patches?.length ?? 0) + (history?.chars ?? 0);
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

/** The error of a batch with these failures; `isPartly`: some of it took effect. */
export function failureOf(failures: readonly unknown[], isPartly: boolean): unknown {
  const unknown = failures.find((failure) => isHoldfastError(failure, "COMMIT_UNKNOWN"));
  if (unknown !== undefined || !isPartly) return unknown ?? failures[0];
  return new CommitUnknownError({ cause: failures[0] });
}

/** Settings that go with the rows of a statement. */
export interface RowSettings {
  /** The tokens of the rows. */
  readonly leases: readonly (string | null)[];
  /** The longest wait for each lock. */
  readonly patience: string;
  readonly tombstones: TombstoneRule;
}

/** The parameters of the statement `commit`, or of `commitHistory` when a row needs that. */
export function parametersOf(
  rows: readonly WriteRow[],
  { leases, patience, tombstones }: RowSettings,
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
    leases,
    rows.map(({ write, state }) => forgetAfterMs(write, state === null, tombstones) ?? null),
    patience,
    ...(rows.some(hasHistory) ? historyParameters(rows) : []),
  ];
}
