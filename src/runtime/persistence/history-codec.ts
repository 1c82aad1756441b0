/**
 * The rows of a history: one per change, from which any state that is kept is read.
 *
 * Invariants
 *  H1  The state before a change is the state after it with the inverse patches applied. So states
 *      are read backwards, from the present one or from a later row with a state, and what was
 *      removed before a row is never needed to read it.
 *  H2  Each row has the version of the kind that made it. The first row of a version, over a state
 *      that another version stored, has that state as it was.
 *  H3  At most `SNAPSHOT_EVERY` rows are read for one state, of a small one `SMALL_EVERY`, unless
 *      the limit of bytes leaves no place for whole states; then that limit bounds what is read.
 */
import { CorruptStateError } from "../../../actors/errors.ts";
import type { CommittedChange, Json, JsonObject, ScopeIdentity } from "../../../actors/protocol.ts";
import type { HistoryKeep, HistoryQuery, HistoryRow, StateStore } from "../../stores/contract.ts";
import { type HistoryLimits, keepOf } from "../history-rule.ts";
import type { RecordRule } from "../kinds.ts";
import { lift, type VersionedState } from "../kind-versions.ts";
import {
  keptFrom,
  isWithin,
  type PlacedRow,
  placeRows,
  selectRows,
  toHistoryRow,
} from "../../stores/shared/history-rows.ts";
import type { UnstoredHistory } from "./unstored-history.ts";
import { NO_PAST, type PastChange, type PastSource, stateBefore } from "../past.ts";
import { decodeState, encodeState } from "./record-codec.ts";

/** A row has the whole state where its version reaches or passes a multiple of this. */
const SNAPSHOT_EVERY = 128;
/** The same for a state of at most `SMALL_LENGTH`: whole, it is not much larger than such rows. */
const SMALL_EVERY = 32;
/** Characters of a state as JSON. */
const SMALL_LENGTH = 8_192;
/** A state is put into rows only when so many have place in the limit of bytes. */
const SNAPSHOTS_MIN = 8;

/** How rows are made. */
export interface RowRule {
  readonly limits: HistoryLimits;
  /** The version of the kind. */
  readonly kind: number;
  /** The state before the changes, when another version of the kind stored it; else `null`. */
  readonly unlifted: VersionedState | null;
}

/** The rows of changes that lead to the state `next`. */
export function encodeRows(
  changes: readonly CommittedChange[],
  next: object,
  { limits, kind, unlifted }: RowRule,
): HistoryRow[] {
  const isSnapshot = (change: CommittedChange): boolean => passes(change, SMALL_EVERY, limits);
  const lowest = changes.findIndex(isSnapshot);
  const rows: HistoryRow[] = [];
  let state = next;
  for (let index = changes.length - 1; index >= 0; index -= 1) {
    const change = changes[index];
    if (change === undefined) continue;
    const whole = isSnapshot(change) ? snapshotOf(state, change, limits) : undefined;
    const before = index === 0 && unlifted?.kindVersion !== kind ? unlifted : null;
    rows.push(encodeRow(change, { kind, whole, before }));
    if (lowest >= 0 && index > lowest) state = stateBefore(state, change);
  }
  return rows.toReversed();
}

/** True where a change reaches or passes a multiple of `every` in a history that is longer. */
function passes(
  { version, since }: CommittedChange,
  every: number,
  { versions = Infinity }: HistoryLimits,
): boolean {
  return versions > every && Math.floor(version / every) > Math.floor(since / every);
}

function snapshotOf(
  state: object,
  change: CommittedChange,
  limits: HistoryLimits,
): Json | undefined {
  const { bytes = Infinity } = limits;
  const json = encodeState(state);
  const most = passes(change, SNAPSHOT_EVERY, limits) ? Infinity : SMALL_LENGTH;
  if (bytes === Infinity && most === Infinity) return json;
  const { length } = JSON.stringify(json);
  return length > most || length * SNAPSHOTS_MIN > bytes ? undefined : json;
}

interface RowParts {
  readonly kind: number;
  readonly whole: Json | undefined;
  readonly before: VersionedState | null;
}

function encodeRow(change: CommittedChange, { kind, whole, before }: RowParts): HistoryRow {
  const { version, since, timestamp, operation, patches, inversePatches, meta } = change;
  const entry = encodeState({
    operation,
    patches,
    inversePatches,
    ...(since !== version - 1 && { since }),
    ...(kind !== 1 && { kind }),
    ...(meta !== undefined && { meta }),
    ...(change.historyNote !== undefined && { trace: change.historyNote }),
    ...(before !== null && { before: { kind: before.kindVersion, state: before.state } }),
  });
  return { version, at: timestamp, entry, ...(whole !== undefined && { state: whole }) };
}

/** The record of a history. */
export interface PastRecord {
  readonly store: StateStore;
  readonly key: string;
  readonly identity: ScopeIdentity;
  readonly rule: Pick<RecordRule, "versions" | "history" | "settings">;
  readonly unlifted: VersionedState | null;
}

/** The changes of a checkpoint scope that are not stored yet. */
export interface UnstoredPast {
  readonly history: Pick<UnstoredHistory, "changes" | "fresh">;
  /** The state of the last of them. */
  readonly state: object;
  readonly rebasing: boolean;
  readonly writer: { alone<T>(read: () => Promise<T>): Promise<T> };
}

/** The past of a record; none where the kind keeps no history. */
export function pastOf(record: PastRecord, unstored: UnstoredPast | null): PastSource {
  const { identity, unlifted } = record;
  const { history, versions } = record.rule;
  if (history === null) return NO_PAST;
  return {
    kindVersion: versions.version,
    unlifted,
    changes: (query) => {
      if (unstored === null) return readPast(record, history, query);
      if (unstored.rebasing) throw new Error("a step in the history is not made again");
      // No save is under way: a change is stored or it is not.
      return unstored.writer.alone(() => readAll(record, history, query, unstored));
    },
    lift: (found) => lift(versions, found, identity),
  };
}

/** Reads the changes that are stored, and those that are not. */
async function readAll(
  record: PastRecord,
  limits: HistoryLimits,
  query: HistoryQuery,
  { history: { changes, fresh }, state }: UnstoredPast,
): Promise<PastChange[]> {
  const [first] = changes;
  if (first === undefined) return fresh ? [] : readPast(record, limits, query);
  const { key, store, rule, unlifted } = record;
  const keep = keepOf(limits, rule.settings.clock.now());
  const add = encodeRows(changes, state, { limits, kind: rule.versions.version, unlifted });
  const placed = placeAlone(key, first.since, add);
  const rows = selectRows(placed, { ...query, keep }).map((row) => toHistoryRow(row, parse));
  const left = fresh ? null : keepBefore(placed, keep);
  // Another writer may have stored versions above the one on which these changes build.
  const before = Math.min(query.before ?? Infinity, first.since + 1);
  const stored = (left && (await store.history?.(key, { ...query, before, keep: left }))) ?? [];
  const all = query.oldestFirst === true ? [...stored, ...rows] : [...rows, ...stored];
  return all.slice(0, query.limit).map((row) => decodeChange(row, record));
}

function placeAlone(key: string, expectedVersion: number, add: readonly HistoryRow[]): PlacedRow[] {
  const version = add.at(-1)?.version ?? expectedVersion;
  const write = { key, expectedVersion, version, state: null, history: { add, keep: {} } };
  return placeRows(write, undefined);
}

/** What is kept of the rows before these; `null`: nothing. */
function keepBefore(rows: readonly PlacedRow[], keep: HistoryKeep): HistoryKeep | null {
  const newest = rows.at(-1);
  if (newest === undefined) return keep;
  const { versions = Infinity, bytes = Infinity } = keep;
  const bounds = keptFrom(newest, keep);
  const left = { versions: versions - newest.seq, bytes: bytes - newest.start - newest.size };
  if (!rows.every((row) => isWithin(row, bounds)) || left.versions <= 0 || left.bytes <= 0)
    return null;
  return {
    ...keep,
    ...(keep.versions !== undefined && { versions: left.versions }),
    ...(keep.bytes !== undefined && { bytes: left.bytes }),
  };
}

function parse(text: string): Json {
  return JSON.parse(text) as Json; // The texts were made from a Json.
}

async function readPast(
  record: PastRecord,
  limits: HistoryLimits,
  query: HistoryQuery,
): Promise<PastChange[]> {
  const { store, key, rule } = record;
  const keep = keepOf(limits, rule.settings.clock.now());
  const rows = (await store.history?.(key, { ...query, keep })) ?? [];
  return rows.map((row) => decodeChange(row, record));
}

function decodeChange(row: HistoryRow, { store, key, identity: scope }: PastRecord): PastChange {
  try {
    return decodeRow(row);
  } catch (cause) {
    const location = `${store.name} record ${key}, change ${row.version} of its history`;
    const reason = "it cannot be read";
    throw new CorruptStateError({ location, reason }, { scope, cause });
  }
}

/** The fields of a row's entry. */
interface Entry extends CommittedChange {
  /** The `historyNote` of its change, under the name that stored rows have. */
  readonly trace: JsonObject;
  readonly kind: number;
  readonly before: { readonly kind: number; readonly state: object };
}

/** Decodes a row; throws an `Error` for one that `encodeRows` did not make. */
function decodeRow({ version, at, entry, state }: HistoryRow): PastChange {
  // Checked below.
  const fields = decodeState(entry) as Partial<Entry>;
  const { operation, patches, inversePatches, since = version - 1, meta, trace, kind = 1 } = fields;
  if (typeof operation !== "string" || typeof since !== "number" || typeof kind !== "number")
    throw new Error("a row of a history has no operation");
  if (!Array.isArray(patches) || !Array.isArray(inversePatches))
    throw new Error("a row of a history has no patches");
  const { before } = fields;
  return {
    version,
    since,
    timestamp: at,
    operation,
    patches,
    inversePatches,
    kind,
    ...(meta !== undefined && { meta }),
    ...(trace !== undefined && { historyNote: trace }),
    ...(before !== undefined && { before: { kindVersion: before.kind, state: before.state } }),
    state: state === undefined ? undefined : decodeState(state),
  };
}
