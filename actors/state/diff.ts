/**
 * Adopts a state that other code made from a state of the scope, and finds the differences.
 *
 * Both are walked together. A shared node needs no work. A new node is rebuilt or copied in, so
 * that the result shares no new node with its source. Each difference becomes an immer-format patch
 * and its inverse.
 *
 * Invariants
 *  I1  The result equals `next`, is deep-frozen, and shares with `before` every node that is equal.
 *  I2  The patches lead from `before` to the result and the inverse back, each in its own order.
 *  I3  The code that made `next` can change no object reachable from the result, except dates and
 *      bytes that were in `before` already.
 */
import { equal } from "./equal.ts";
import { kindOf, type NodeKind } from "./kind.ts";
import { copyArray } from "./patches.ts";
import type { Patch, ScopeIdentity } from "../protocol.ts";
import { copyIn, copyToFreeze, freezeShallow, isLeaf } from "./copy.ts";

type Key = string | number;
type Fields = Record<string, unknown>;

/** In the place of a value: there is none. */
const ABSENT = Symbol("absent");

/** The adopted state; `state` is `before` itself when nothing is different. */
export interface Difference {
  readonly state: object;
  readonly patches: readonly Patch[];
  readonly inverse: readonly Patch[];
}

/**
 * Adopts `next`, made from the frozen `before`. Without `recording` there are no patches. Throws
 * `StateSerializationError` for what cannot be stored.
 */
export function difference(
  before: object,
  next: object,
  scope?: ScopeIdentity,
  recording = true,
): Difference {
  const walk = new Walk(scope, recording);
  // The result for two objects is an object.
  const state = walk.value(before, next) as object;
  return { state, patches: walk.patches, inverse: walk.undo.toReversed() };
}

class Walk {
  readonly patches: Patch[] = [];
  /** The inverse of each patch, in the order of the patches. */
  readonly undo: Patch[] = [];
  readonly #scope: ScopeIdentity | undefined;
  readonly #recording: boolean;
  readonly #path: Key[] = [];

  constructor(scope: ScopeIdentity | undefined, recording: boolean) {
    this.#scope = scope;
    this.#recording = recording;
  }

  /** Returns the adopted value of `next`, at the path of `before`. */
  value(before: unknown, next: unknown): unknown {
    if (Object.is(before, next)) return before;
    const kind = commonKind(before, next);
    // The casts are sound: `commonKind` has checked both.
    if (kind === "record") return this.#record(before as Fields, next as object);
    if (kind === "array") return this.#array(before as unknown[], next as unknown[]);
    if (kind === "map") return this.#map(before as Map<Key, unknown>, next as Map<Key, unknown>);
    if (kind === "set") return this.#set(before as Set<unknown>, next as Set<unknown>);
    if (!isLeaf(next) && equal(before, next)) return before; // A leaf was compared above.
    const value = this.#fresh(next);
    if (this.#recording) this.#push(changeTo(before, value), changeTo(value, before));
    return value;
  }

  #record(before: Fields, next: object): object {
    const made = copyToFreeze(next);
    const keys = Object.keys(before);
    let [at, kept, changed] = [0, 0, false];
    for (const key of Object.keys(made)) {
      // Nearly always both have the same keys in the same order.
      const old = keys[at++] === key || Object.hasOwn(before, key) ? before[key] : ABSENT;
      if (old !== ABSENT) kept += 1;
      if (Object.is(old, made[key])) continue;
      const value = this.#entry(key, old, made[key]);
      made[key] = value; // An own data property, so even `__proto__` is overwritten.
      changed ||= !Object.is(value, old);
    }
    if (kept < keys.length)
      for (const key of keys) if (!Object.hasOwn(made, key)) this.#entry(key, before[key], ABSENT);
    return changed || kept < keys.length ? Object.freeze(made) : before;
  }

  #map(before: Map<Key, unknown>, next: Map<Key, unknown>): object {
    const made = new Map<Key, unknown>();
    let changed = false;
    for (const [key, given] of next) {
      const old = before.has(key) ? before.get(key) : ABSENT;
      const value = this.#entry(key, old, given);
      changed ||= !Object.is(value, old);
      made.set(key, value);
    }
    for (const [key, value] of before) {
      if (made.has(key)) continue;
      changed = true;
      this.#entry(key, value, ABSENT);
    }
    return changed ? freezeShallow(made) : before;
  }

  #array(before: readonly unknown[], next: readonly unknown[]): object {
    const made = copyArray(next);
    let changed = before.length !== made.length;
    for (let index = 0; index < made.length; index++) {
      const old = index < before.length ? before[index] : ABSENT;
      if (Object.is(old, made[index])) continue;
      made[index] = this.#entry(index, old, made[index]);
      changed ||= !Object.is(made[index], old);
    }
    for (let index = before.length - 1; index >= made.length; index--)
      this.#entry(index, before[index], ABSENT);
    return changed ? Object.freeze(made) : before;
  }

  /** Members of a set have no path: a new member is an equal old one, or is added. */
  #set(before: Set<unknown>, next: Set<unknown>): object {
    const left = new Set([...before].filter((member) => !next.has(member)));
    const made = new Set<unknown>();
    for (const member of next) {
      const old = before.has(member) ? member : findEqual(left, member);
      left.delete(old);
      if (before.has(old)) made.add(old);
      else this.#member("add", made, member);
    }
    for (const member of left) this.#member("remove", made, member);
    const same = left.size === 0 && made.size === before.size;
    return same ? before : freezeShallow(made);
  }

  #member(op: "add" | "remove", made: Set<unknown>, member: unknown): void {
    this.#path.push(made.size);
    const value = op === "add" ? this.#fresh(member) : member;
    if (op === "add") made.add(value);
    if (this.#recording) this.#push({ op, value }, { op: op === "add" ? "remove" : "add", value });
    this.#path.pop();
  }

  /** The adopted value of one entry; `ABSENT` where there is none. */
  #entry(key: Key, before: unknown, next: unknown): unknown {
    this.#path.push(key);
    const value = this.value(before, next);
    this.#path.pop();
    return value;
  }

  #fresh(value: unknown): unknown {
    if (value === ABSENT || isLeaf(value)) return value;
    const path = this.#path.map(String).join(".");
    return copyIn(value, path, { depth: this.#path.length, scope: this.#scope });
  }

  #push(patch: Change, inverse: Change): void {
    const path = [...this.#path];
    this.patches.push({ ...patch, path });
    this.undo.push({ ...inverse, path });
  }
}

type Change = Omit<Patch, "path">;

/** What makes `value` of `before` at one path. */
function changeTo(before: unknown, value: unknown): Change {
  if (value === ABSENT) return { op: "remove" };
  return { op: before === ABSENT ? "add" : "replace", value };
}

/** An old member that equals `member`; `member` itself when there is none. */
function findEqual(members: Set<unknown>, member: unknown): unknown {
  if (typeof member !== "object" || member === null) return member;
  for (const each of members) if (equal(each, member)) return each;
  return member;
}

/** The common kind of two containers that can be compared part by part. */
function commonKind(before: unknown, next: unknown): NodeKind | null {
  if (typeof before !== "object" || before === null) return null;
  if (typeof next !== "object" || next === null) return null;
  const kind = kindOf(before);
  if (kind !== kindOf(next) || isOdd(next, kind)) return null;
  return kind !== "map" || (hasPathKeys(before) && hasPathKeys(next)) ? kind : null;
}

/** True for keys that no state has: `copyIn` refuses or drops them. */
function isOdd(node: object, kind: NodeKind): boolean {
  if (Object.getOwnPropertySymbols(node).length > 0) return true;
  const keys = kind === "record" ? 0 : Object.keys(node).length;
  return keys > (Array.isArray(node) ? node.length : 0);
}

/** True for a map whose keys can all be part of a path. */
function hasPathKeys(map: object): boolean {
  const keys = [...(map as Map<unknown, unknown>).keys()]; // The caller has checked.
  return keys.every((key) => typeof key === "string" || typeof key === "number");
}
