/**
 * The rows of a history: one per change, from which any state that is kept is read.
 *
 * Invariants
 *  H1  The state before a change is the state after it with the inverse patches applied. So states
 *      are read backwards, from the present one or from a later row with a state, and what was
 *      removed before a row is never needed to read it.
 *  H2  A change of another version of the kind is not read: its state would have to be lifted.
 *  H3  At most `SNAPSHOT_EVERY` rows are read for one state, unless the limit of bytes leaves no
 *      place for whole states; then that limit bounds what is read.
 */
import { CorruptStateError } from "../../../actors/errors.ts";
import type { CommittedChange, Json, ScopeIdentity } from "../../../actors/protocol.ts";
import type { ScopeSettings } from "../../../actors/scope/options.ts";
import type { HistoryQuery, HistoryRow, StateStore } from "../../stores/contract.ts";
import { type HistoryLimits, keepOf } from "../history-rule.ts";
import { type PastChange, stateBefore } from "../past.ts";
import { decodeState, encodeState } from "./record-codec.ts";

/** A row has the whole state where its version reaches or passes a multiple of this. */
const SNAPSHOT_EVERY = 128;
/** A state is put into rows only when so many have place in the limit of bytes. */
const SNAPSHOTS_MIN = 8;

/** The rows of changes that lead to the state `next`. */
export function encodeRows(
  changes: readonly CommittedChange[],
  next: object,
  { limits, kind }: { readonly limits: HistoryLimits; readonly kind: number },
): HistoryRow[] {
  const { versions = Infinity } = limits;
  const isSnapshot = ({ version, since }: CommittedChange): boolean =>
    versions > SNAPSHOT_EVERY &&
    Math.floor(version / SNAPSHOT_EVERY) > Math.floor(since / SNAPSHOT_EVERY);
  const lowest = changes.findIndex(isSnapshot);
  const rows: HistoryRow[] = [];
  let state = next;
  for (let index = changes.length - 1; index >= 0; index -= 1) {
    const change = changes[index];
    if (change === undefined) continue;
    const whole = isSnapshot(change) ? snapshotOf(state, limits) : undefined;
    rows.push(encodeRow(change, kind, whole));
    if (lowest >= 0 && index > lowest) state = stateBefore(state, change);
  }
  return rows.toReversed();
}

function snapshotOf(state: object, { bytes = Infinity }: HistoryLimits): Json | undefined {
  const json = encodeState(state);
  if (bytes === Infinity) return json;
  return JSON.stringify(json).length * SNAPSHOTS_MIN > bytes ? undefined : json;
}

function encodeRow(change: CommittedChange, kind: number, state: Json | undefined): HistoryRow {
  const { version, since, timestamp, operation, patches, inversePatches, meta, trace } = change;
  const entry = encodeState({
    operation,
    patches,
    inversePatches,
    ...(since !== version - 1 && { since }),
    ...(kind !== 1 && { kind }),
    ...(meta !== undefined && { meta }),
    ...(trace !== undefined && { trace }),
  });
  return { version, at: timestamp, entry, ...(state !== undefined && { state }) };
}

/** The record of a history. */
interface PastRecord {
  readonly store: StateStore;
  readonly key: string;
  readonly identity: ScopeIdentity;
  readonly history: HistoryLimits | null;
  readonly kindVersion: number;
  readonly settings: Pick<ScopeSettings, "clock">;
}

/** The changes of a history that the kind keeps; none without a history. */
export async function readPast(record: PastRecord, query: HistoryQuery): Promise<PastChange[]> {
  const { store, key, history, identity: scope } = record;
  if (history === null || store.history === undefined) return [];
  const rows = await store.history(key, {
    ...query,
    keep: keepOf(history, record.settings.clock.now()),
  });
  return rows.flatMap((row) => {
    try {
      const { kind, change } = decodeRow(row);
      return kind === record.kindVersion ? [change] : [];
    } catch (cause) {
      const location = `${store.name} record ${key}, change ${row.version} of its history`;
      const reason = "it cannot be read";
      throw new CorruptStateError({ location, reason }, { scope, cause });
    }
  });
}

/** Decodes a row; throws an `Error` for one that `encodeRows` did not make. */
function decodeRow({ version, at, entry, state }: HistoryRow): {
  readonly kind: number;
  readonly change: PastChange;
} {
  // Checked below.
  const fields = decodeState(entry) as Partial<CommittedChange> & { kind?: number };
  const { operation, patches, inversePatches, since = version - 1, meta, trace, kind = 1 } = fields;
  if (typeof operation !== "string" || typeof since !== "number")
    throw new Error("a row of a history has no operation");
  if (!Array.isArray(patches) || !Array.isArray(inversePatches))
    throw new Error("a row of a history has no patches");
  const change = {
    version,
    since,
    timestamp: at,
    operation,
    patches,
    inversePatches,
    ...(meta !== undefined && { meta }),
    ...(trace !== undefined && { trace }),
    state: state === undefined ? undefined : decodeState(state),
  };
  return { kind, change };
}
