/**
 * Moves records from one store to another, and says whether two stores hold the same, over the
 * contract of a store alone: any store to any store, with a bounded part in memory.
 *
 * Invariants
 *  V1  A record keeps its version, its state and the time it has left.
 *  V2  Nothing is overwritten: a key that is there with something else is a conflict.
 *  V3  Running again does what is left to do, wherever the last run ended.
 *  V4  What is called equal was read from both sides and compared whole, or its time ran out on the
 *      other side since it was read. Where that cannot be told from a delete it is counted apart.
 *
 * Tombstones do not move, because no store lists them: the version of a deleted key starts again
 * at 1 on the other side.
 */
import { equal } from "../../actors/state/equal.ts";
import type { Json } from "../../actors/protocol.ts";
import type { ScopeWrite, StateStore, StoredRecord } from "../stores/contract.ts";

/** A living record with its key. */
export interface KeyedRecord {
  readonly key: string;
  readonly version: number;
  readonly state: Json;
  /** Milliseconds until it expires; absent: never. */
  readonly leftMs?: number | undefined;
  /** When that was so, of `performance.now()`; absent: not known, as in a file. */
  readonly readAt?: number | undefined;
}

/** Records in groups, as they are read and written. */
export type RecordGroups = AsyncIterable<readonly KeyedRecord[]>;

/** Which records are meant, and how many are held in memory at once. */
export interface Selection {
  /** Only keys that start with this text. */
  readonly prefix: string;
  readonly batch: number;
}

/** How many records a write met, by outcome. */
export interface WriteCounts {
  /** Written now. */
  moved: number;
  /** There before, the same. */
  present: number;
  /** There before, another; left alone. */
  conflicts: number;
  /** Expired there, or deleted. */
  gone: number;
}

/** Stores count time in whole milliseconds, each of its own clock. */
const CLOCK_STEP_MS = 10;

/** Takes what differs: the key, and in which way. */
export type TellDifference = (key: string, difference: string) => void;

/** Keys of a store in groups of at most `batch`. */
async function* keyGroups(store: StateStore, selection: Selection): AsyncGenerator<string[]> {
  let group: string[] = [];
  for await (const key of store.list({ prefix: selection.prefix })) {
    group.push(key);
    if (group.length < selection.batch) continue;
    yield group;
    group = [];
  }
  if (group.length > 0) yield group;
}

/** Every living record of a store, in the order of the keys. */
export async function* exportRecords(
  store: StateStore,
  selection: Selection,
): AsyncGenerator<readonly KeyedRecord[]> {
  for await (const keys of keyGroups(store, selection)) {
    // Before it is asked, so that no time is left out.
    const readAt = performance.now();
    const records = await store.load(keys);
    yield keys.flatMap((key, at) => {
      const record = records[at];
      // It may have expired or been deleted since it was listed.
      if (record?.state === undefined) return [];
      const { version, state, leftMs } = record;
      return [{ key, version, state, ...(leftMs === undefined ? {} : { leftMs, readAt }) }];
    });
  }
}

/** Writes records that are not there yet; see V1 to V3. */
export async function importRecords(
  groups: RecordGroups,
  target: StateStore,
): Promise<WriteCounts> {
  const counts: WriteCounts = { moved: 0, present: 0, conflicts: 0, gone: 0 };
  for await (const group of groups) {
    const results = await target.commit(group.map(creationOf));
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

function creationOf({ key, version, state, leftMs }: KeyedRecord): ScopeWrite {
  return { key, expectedVersion: 0, version, state, ttlMs: leftMs };
}

/** How many records were found as they should be, and how many not. */
export interface CompareCounts {
  equal: number;
  different: number;
  /** Expired on the other side, or deleted. */
  gone: number;
}

/** Reads every record back from `store` and tells what is not there as given. */
export async function compareRecords(
  groups: RecordGroups,
  store: StateStore,
  tell: TellDifference,
): Promise<CompareCounts> {
  const counts: CompareCounts = { equal: 0, different: 0, gone: 0 };
  for await (const group of groups) {
    const found = await store.load(group.map(({ key }) => key));
    for (const [at, record] of group.entries()) {
      if (isGone(record, found[at])) {
        counts.gone += 1;
        continue;
      }
      const difference = differenceOf(record, found[at]);
      if (difference === undefined) counts.equal += 1;
      else counts.different += 1;
      if (difference !== undefined) tell(record.key, difference);
    }
  }
  return counts;
}

/** What `compareStores` does with a key that only the second store knows. */
export type Strangers = "tell" | "ignore";

/**
 * Compares all records of two stores, both ways. A key that the first store deleted and the second
 * has is always a difference; one of which the first knows nothing is told unless ignored.
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

/** Why a record of the second store should not be there, when the first has none alive. */
function surplusOf(
  record: KeyedRecord,
  found: StoredRecord | undefined,
  strangers: Strangers,
): string | undefined {
  if (found === undefined)
    return strangers === "tell" ? `only in the second, version ${record.version}` : undefined;
  // What lives in both was compared on the first way.
  if (found.state !== undefined || isSameVersionGone(record, found)) return undefined;
  return `deleted in the first (version ${found.version}), version ${record.version} in the second`;
}

/** In which way `found` is not `record`; `undefined` when it is. */
function differenceOf(record: KeyedRecord, found: StoredRecord | undefined): string | undefined {
  if (found === undefined) return "missing";
  if (isExpiryOf(record, found)) return undefined;
  if (found.version !== record.version)
    return `version ${record.version} became ${found.version}${ending(found)}`;
  if (found.state === undefined) return `version ${found.version} is deleted`;
  if ((record.leftMs === undefined) !== (found.leftMs === undefined))
    return `version ${found.version} ${found.leftMs === undefined ? "never expires" : "expires"}`;
  return equal(record.state, found.state)
    ? undefined
    : `version ${found.version} has another state`;
}

function ending({ state }: StoredRecord): string {
  return state === undefined ? ", deleted" : "";
}

/** What the other side lost without a version of its own: by its time, or by a delete before it. */
function isSameVersionGone(
  { version, leftMs }: KeyedRecord,
  found: StoredRecord | undefined,
): boolean {
  return found?.version === version && found.state === undefined && leftMs !== undefined;
}

/** True when its time has run out since the record was read. */
function isExpiryOf(record: KeyedRecord, found: StoredRecord): boolean {
  const { leftMs = Infinity, readAt = Infinity } = record;
  if (!isSameVersionGone(record, found)) return false;
  return performance.now() - readAt >= leftMs - CLOCK_STEP_MS;
}

/** True when it cannot be known whether its time ran out. */
function isGone(record: KeyedRecord, found: StoredRecord | undefined): boolean {
  return record.readAt === undefined && isSameVersionGone(record, found);
}
