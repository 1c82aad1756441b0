/**
 * Merges what two writers made of one document.
 *
 *  R1  A change made by one writer only is kept. What both changed is a conflict, even when both
 *      results are equal: two increments from 1 to 2 are not one.
 *  R2  Records are merged key by key, arrays of equal length element by element; everything else is
 *      one value.
 */
import { equal } from "../../../actors/state/equal.ts";
import { isPlainObject } from "../../../actors/state/kind.ts";
import type { Json } from "../../../actors/protocol.ts";
import { GONE } from "./json.ts";

/** A value, or `GONE` when there is none. */
export type MaybeJson = Json | typeof GONE;

/** Both writers changed what is at `path`. */
export class MergeConflict extends Error {
  readonly path: string;

  constructor(path: string) {
    super(`both changed ${path}`);
    this.path = path;
  }
}

/** The merge of `mine` and `theirs`, both made from `base`; throws `MergeConflict`. */
export function merge(
  base: MaybeJson,
  mine: MaybeJson,
  theirs: MaybeJson,
  path: string,
): MaybeJson {
  if (same(base, mine)) return theirs;
  if (same(base, theirs)) return mine;
  if (isRecord(base) && isRecord(mine) && isRecord(theirs))
    return mergeRecords(base, mine, theirs, path);
  if (isList(base) && isList(mine) && isList(theirs)) return mergeLists(base, mine, theirs, path);
  throw new MergeConflict(path);
}

/** True when both are the same data, or both are missing. */
export function same(left: MaybeJson, right: MaybeJson): boolean {
  return left === right || (left !== GONE && right !== GONE && equal(left, right));
}

type JsonRecord = Readonly<Record<string, Json>>;

/** The own value of a key, or `GONE` when there is none. */
export function at(record: JsonRecord, key: string): MaybeJson {
  return Object.hasOwn(record, key) ? (record[key] ?? null) : GONE;
}

function mergeRecords(base: JsonRecord, mine: JsonRecord, theirs: JsonRecord, path: string): Json {
  const keys = new Set([...Object.keys(theirs), ...Object.keys(mine)]);
  const fields = [...keys].flatMap((key): [string, Json][] => {
    const step = path === "" ? key : `${path}.${key}`;
    const value = merge(at(base, key), at(mine, key), at(theirs, key), step);
    return value === GONE ? [] : [[key, value]];
  });
  return Object.fromEntries(fields); // Makes own properties, `__proto__` too.
}

function mergeLists(
  base: readonly Json[],
  mine: readonly Json[],
  theirs: readonly Json[],
  path: string,
): Json {
  if (mine.length !== base.length || theirs.length !== base.length) throw new MergeConflict(path);
  return base.map((each, index) => {
    const merged = merge(each, mine[index] ?? null, theirs[index] ?? null, `${path}[${index}]`);
    return merged === GONE ? null : merged; // Three values merge to a value.
  });
}

function isRecord(value: MaybeJson): value is JsonRecord {
  return value !== GONE && isPlainObject(value);
}

function isList(value: MaybeJson): value is readonly Json[] {
  return Array.isArray(value);
}
