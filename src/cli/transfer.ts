/**
 * Moves records from one store to another, and compares two stores. It uses the store contract
 * alone: any store to any store, with a bounded number of records in memory.
 *
 * Invariants
 *  V1  A record keeps its version, its state, its remaining time, and its history, or it is not
 *      written: a target that keeps none refuses it. A history that ends before the version of its
 *      record, because a program without one wrote last, is left out, and reported.
 *  V2  Nothing is overwritten: a key that has another record there is a conflict.
 *  V3  Another run does what is left to do, wherever the last run ended.
 *  V4  A record called equal was read from both sides and compared whole, or it expired on the
 *      other side since it was read. Where that cannot be distinguished from a delete, it is
 *      counted separately.
 *
 * Tombstones do not move, because no store lists them: the version of a deleted key starts again
 * at 1 on the other side.
 */
import { equal } from "../../actors/state/equal.ts";
import type { Json } from "../../actors/protocol.ts";
import { encodedState } from "../runtime/persistence/record-envelope.ts";
import type { HistoryRow, ScopeWrite, StateStore, StoredRecord } from "../stores/contract.ts";

/** A record with its key. */
export interface KeyedRecord {
  readonly key: string;
  readonly version: number;
  readonly state: Json;
  /** Milliseconds until it expires; absent: never. */
  readonly leftMs?: number | undefined;
  /** The rows of its history, oldest first; absent: it has none. */
  readonly history?: readonly HistoryRow[] | undefined;
  /** When `leftMs` was read, by `performance.now()`; absent: not known, as in a file. */
  readonly readAt?: number | undefined;
}

/** Records in groups, as they are read and written. */
export type RecordGroups = AsyncIterable<readonly KeyedRecord[]>;

/** Which records to use, and how many are in memory at once. */
export interface Selection {
  /** Only keys that start with this text. */
  readonly prefix: string;
  readonly batch: number;
  /** Called for each record whose history is left out (V1). */
  readonly leftOut?: ((key: string) => void) | undefined;
}

/** A record has a history, and the store into which it should go keeps none. */
export class HistoryLostError extends Error {
  override readonly name = "HistoryLostError";
}

/** How many records a write met, by outcome. */
export interface WriteCounts {
  /** Written now. */
  moved: number;
  /** Existed before, equal. */
  present: number;
  /** Existed before, different; not changed. */
  conflicts: number;
  /** Expired or deleted there. */
  gone: number;
}

/** Stores count time in whole milliseconds, each by its own clock. */
const CLOCK_STEP_MS = 10;

/** Receives a difference: the key, and its description. */
export type TellDifference = (key: string, difference: string) => void;

/** Keys of a store in groups of at most `batch`. */
export async function* keyGroups(
  store: StateStore,
  selection: Selection,
): AsyncGenerator<string[]> {
  let group: string[] = [];
  for await (const key of store.list({ prefix: selection.prefix })) {
    group.push(key);
    if (group.length < selection.batch) continue;
    yield group;
    group = [];
  }
  if (group.length > 0) yield group;
}

/** How many keys start with a text. */
export async function countKeys(store: StateStore, prefix: string): Promise<number> {
  let count = 0;
  for await (const _ of store.list({ prefix })) count += 1;
  return count;
}

/** Every record of a store that is no tombstone, in the order of the keys. */
export async function* exportRecords(
  store: StateStore,
  selection: Selection,
): AsyncGenerator<readonly KeyedRecord[]> {
  for await (const keys of keyGroups(store, selection)) {
    // Before the load, so that the remaining time is not overestimated.
    const readAt = performance.now();
    const records = await store.load(keys);
    const found = keys.map(async (key, at): Promise<KeyedRecord[]> => {
      const record = records[at];
      // It may have expired or been deleted since it was listed.
      if (record?.state === undefined) return [];
      const { version, state, leftMs } = record;
      const history = await historyAt(store, key, version, selection.leftOut);
      const parts = { ...(leftMs !== undefined && { leftMs, readAt }), ...history };
      return [{ key, version, state, ...parts }];
    });
    yield (await Promise.all(found)).flat();
  }
}

/** The history of a record, up to the version that was read. */
async function historyAt(
  store: StateStore,
  key: string,
  version: number,
  leftOut?: Selection["leftOut"],
): Promise<Pick<KeyedRecord, "history">> {
  if (store.supports.history !== true) return {};
  const rows = await store.history?.(key, { before: version + 1, oldestFirst: true });
  const last = rows?.at(-1);
  if (last?.version === version) return { history: rows };
  if (last !== undefined) leftOut?.(key);
  return {};
}

/** Writes records that are not there yet; see V1 to V3. Rejects with `HistoryLostError`. */
export async function importRecords(
  groups: RecordGroups,
  target: StateStore,
): Promise<WriteCounts> {
  const counts: WriteCounts = { moved: 0, present: 0, conflicts: 0, gone: 0 };
  for await (const group of groups) {
    const results = await target.commit(group.map((record) => creationOf(record, target)));
    for (const [at, record] of group.entries()) {
      const result = results[at];
      if (result?.ok === true) counts.moved += 1;
      else if (isGone(record, result?.current)) counts.gone += 1;
      else if (differenceOf(record, result?.current) === undefined) counts.present += 1;
      else counts.conflicts += 1;
    }
  }
  return counts;
}

function creationOf(
  { key, version, state, leftMs, history: add }: KeyedRecord,
  { name, supports }: StateStore,
): ScopeWrite {
  if (add !== undefined && supports.history !== true)
    throw new HistoryLostError(
      `the ${name} store keeps no histories, and ${JSON.stringify(key)} has one of ` +
        `${add.length} changes; nothing of its batch was written`,
    );
  const history = add && ({ add, keep: {}, fresh: true } as const);
  return { key, expectedVersion: 0, version, state, ttlMs: leftMs, history };
}

/** How many records were equal, and how many were not. */
export interface CompareCounts {
  equal: number;
  different: number;
  /** Expired or deleted on the other side. */
  gone: number;
}

/** Reads every record back from `store` and reports each difference from the given one. */
export async function compareRecords(
  groups: RecordGroups,
  store: StateStore,
  tell: TellDifference,
): Promise<CompareCounts> {
  const counts: CompareCounts = { equal: 0, different: 0, gone: 0 };
  for await (const group of groups) {
    const found = await store.load(group.map(({ key }) => key));
    const histories = await Promise.all(group.map((record) => hasHistory(record, store)));
    for (const [at, record] of group.entries()) {
      if (isGone(record, found[at])) {
        counts.gone += 1;
        continue;
      }
      const isKept = histories[at] === true || found[at]?.state === undefined;
      const difference = differenceOf(record, found[at]) ?? (isKept ? undefined : OTHER_HISTORY);
      if (difference === undefined) counts.equal += 1;
      else counts.different += 1;
      if (difference !== undefined) tell(record.key, difference);
    }
  }
  return counts;
}

const OTHER_HISTORY = "has another history";

/** True when a store has the history of the record. */
async function hasHistory(
  { key, version, history }: KeyedRecord,
  store: StateStore,
): Promise<boolean> {
  if (history === undefined) return true;
  return equal((await historyAt(store, key, version)).history, history);
}

/** What `compareStores` does with a key that only the second store has. */
export type Strangers = "tell" | "ignore";

/**
 * Compares all records of two stores, both ways. A key that the first store deleted and the second
 * has is always a difference; one that the first never had is a difference unless ignored.
 */
export async function compareStores(
  stores: readonly [StateStore, StateStore],
  selection: Selection & { readonly strangers: Strangers },
  tell: TellDifference,
): Promise<CompareCounts> {
  const [first, second] = stores;
  const counts = await compareRecords(exportRecords(first, selection), second, tell);
  for await (const group of exportRecords(second, selection)) {
    const found = await first.load(group.map(({ key }) => key));
    for (const [at, record] of group.entries()) {
      if (isSameVersionGone(record, found[at])) counts.gone += 1;
      const difference = surplusOf(record, found[at], selection.strangers);
      if (difference === undefined) continue;
      counts.different += 1;
      tell(record.key, difference);
    }
  }
  return counts;
}

/** Why the second store should not have a record that the first has not. */
function surplusOf(
  record: KeyedRecord,
  found: StoredRecord | undefined,
  strangers: Strangers,
): string | undefined {
  if (found === undefined)
    return strangers === "tell" ? `only in the second, version ${record.version}` : undefined;
  // A record in both stores was compared in the first direction.
  if (found.state !== undefined || isSameVersionGone(record, found)) return undefined;
  return `deleted in the first (version ${found.version}), version ${record.version} in the second`;
}

/** The difference between `found` and `record`; `undefined` when there is none. */
function differenceOf(record: KeyedRecord, found: StoredRecord | undefined): string | undefined {
  if (found === undefined) return "missing";
  if (isExpiryOf(record, found)) return undefined;
  if (found.version !== record.version)
    return `version ${record.version} became ${found.version}${ending(found)}`;
  if (found.state === undefined) return `version ${found.version} is deleted`;
  if ((record.leftMs === undefined) !== (found.leftMs === undefined))
    return `version ${found.version} ${found.leftMs === undefined ? "never expires" : "expires"}`;
  if (equal(record.state, found.state)) return undefined;
  const isSame = equal(encodedState(record.state), encodedState(found.state));
  return `version ${found.version} has ${isSame ? "other keys of once" : "another state"}`;
}

function ending({ state }: StoredRecord): string {
  return state === undefined ? ", deleted" : "";
}

/** The other side lost it without a version of its own: it expired, or was deleted before that. */
function isSameVersionGone(
  { version, leftMs }: KeyedRecord,
  found: StoredRecord | undefined,
): boolean {
  return found?.version === version && found.state === undefined && leftMs !== undefined;
}

/** True when the record has expired since it was read. */
function isExpiryOf(record: KeyedRecord, found: StoredRecord): boolean {
  const { leftMs = Infinity, readAt = Infinity } = record;
  if (!isSameVersionGone(record, found)) return false;
  return performance.now() - readAt >= leftMs - CLOCK_STEP_MS;
}

/** True when it cannot be known whether the record expired. */
function isGone(record: KeyedRecord, found: StoredRecord | undefined): boolean {
  return record.readAt === undefined && isSameVersionGone(record, found);
}
