/**
 * Decides whether a change changed anything.
 *
 * Owns: nothing; pure functions of their arguments.
 *
 *  E1  Leaves compare by `Object.is`: NaN equals NaN, +0 does not equal −0.
 *  E2  Order of keys, of map entries and of set members does not matter; a missing key is not the
 *      same as one that is `undefined`.
 *  E3  `equal` is an equivalence relation, and values that passed `copyIn` never make it throw.
 *  E4  For values that passed `copyIn`, `equalState` gives the same result as `equal`.
 */
import fastDeepEqual from "fast-deep-equal";
import { kindOf } from "./kind.ts";

/**
 * True when the two values contain the same data: arrays by index, records by own enumerable keys,
 * dates by time (two invalid dates are equal), maps and sets by content, bytes by byte. Objects of
 * different kinds, and two objects of a kind no state may hold, are unequal.
 */
export function equal(a: unknown, b: unknown): boolean {
  if (a === b) return a !== 0 || Object.is(a, b);
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) {
    return Object.is(a, b);
  }
  return equalNodes(a, b);
}

/**
 * `equal` for two whole states that share little, as after reading a store. fast-deep-equal gives
 * the first result and `equal` decides wherever that result is not reliable.
 */
export function equalState(a: unknown, b: unknown): boolean {
  return differsForSure(a, b) ? false : equal(a, b);
}

/**
 * fast-deep-equal's "equal" is never final: it takes +0 for −0 and any two maps for equal. Its
 * "different" is final unless the value contains something it misjudges.
 */
function differsForSure(a: unknown, b: unknown): boolean {
  try {
    return !fastDeepEqual(a, b) && !isMisjudged(a);
  } catch {
    // fast-deep-equal calls an own field named `valueOf` or `toString` as a method.
    return false;
  }
}

/**
 * True when fast-deep-equal may call a value different from its equal: it compares the fields
 * `constructor`, `valueOf` and `toString` by identity, and two invalid dates as unequal.
 */
function isMisjudged(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (Array.isArray(value)) return value.some(isMisjudged);
  if (Object.getPrototypeOf(value) !== Object.prototype) return true;
  for (const [key, child] of Object.entries(value)) {
    if (key === "constructor" || key === "valueOf" || key === "toString") return true;
    if (isMisjudged(child)) return true;
  }
  return false;
}

function equalNodes(a: object, b: object): boolean {
  const kind = kindOf(a);
  if (kind !== kindOf(b)) return false;
  // The casts are sound: `kindOf` has checked both.
  if (kind === "record") {
    return equalRecords(a as Record<string, unknown>, b as Record<string, unknown>);
  }
  if (kind === "array") return equalArrays(a as unknown[], b as unknown[]);
  if (kind === "date") return Object.is((a as Date).getTime(), (b as Date).getTime());
  if (kind === "map") return equalMaps(a as Map<unknown, unknown>, b as Map<unknown, unknown>);
  if (kind === "set") return equalSets(a as Set<unknown>, b as Set<unknown>);
  return kind === "bytes" && Buffer.compare(a as Uint8Array, b as Uint8Array) === 0;
}

function equalArrays(a: readonly unknown[], b: readonly unknown[]): boolean {
  if (a.length !== b.length) return false;
  for (let index = 0; index < a.length; index++) {
    if (!equal(a[index], b[index])) return false;
  }
  return true;
}

function equalRecords(a: Record<string, unknown>, b: Record<string, unknown>): boolean {
  const keys = Object.keys(a);
  const otherKeys = Object.keys(b);
  if (keys.length !== otherKeys.length) return false;
  for (let index = 0; index < keys.length; index++) {
    // Never missing; the empty text only satisfies the type.
    const key = keys[index] ?? "";
    // Two records of one origin have their keys in one order; then no look-up is needed.
    if (key !== otherKeys[index] && !Object.hasOwn(b, key)) return false;
    if (!equal(a[key], b[key])) return false;
  }
  return true;
}

function equalMaps(a: Map<unknown, unknown>, b: Map<unknown, unknown>): boolean {
  if (a.size !== b.size) return false;
  const unmatched: [unknown, unknown][] = [];
  for (const [key, value] of a) {
    if (typeof key === "object" && key !== null) unmatched.push([key, value]);
    else if (!b.has(key) || !equal(value, b.get(key))) return false;
  }
  if (unmatched.length === 0) return true;
  const candidates = [...b].filter(([key]) => typeof key === "object" && key !== null);
  return pairUp(unmatched, candidates, (x, y) => equal(x[0], y[0]) && equal(x[1], y[1]));
}

function equalSets(a: Set<unknown>, b: Set<unknown>): boolean {
  if (a.size !== b.size) return false;
  const unmatched: unknown[] = [];
  for (const member of a) {
    if (b.has(member)) continue;
    if (typeof member !== "object" || member === null) return false;
    unmatched.push(member);
  }
  if (unmatched.length === 0) return true;
  const candidates = [...b].filter((member) => typeof member === "object" && !a.has(member));
  return pairUp(unmatched, candidates, equal);
}

/**
 * True when every member finds a partner of its own. Taking the first partner that fits is right
 * because `fits` is an equivalence; in collections of one origin it is the first remaining one.
 */
function pairUp<T>(members: T[], candidates: T[], fits: (x: T, y: T) => boolean): boolean {
  if (members.length !== candidates.length) return false;
  const left = new Set(candidates.keys());
  for (const member of members) {
    const partner = firstFit(left, (index) => fits(member, candidates[index] as T));
    if (partner === undefined) return false;
    left.delete(partner);
  }
  return true;
}

function firstFit(left: Set<number>, fits: (index: number) => boolean): number | undefined {
  for (const index of left) if (fits(index)) return index;
  return undefined;
}
