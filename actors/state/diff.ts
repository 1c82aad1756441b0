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
import { copyRecord } from "./patches.ts";
import type { Patch, ScopeIdentity } from "../protocol.ts";
import { copyIn, freezeShallow } from "./copy.ts";

type Key = string | number;

/** The adopted state; `state` is `before` itself when nothing is different. */
export interface Difference {
  readonly state: object;
  readonly patches: readonly Patch[];
  readonly inverse: readonly Patch[];
}

/**
 * Adopts `next`, made from the frozen `before`. Throws `StateSerializationError` for what
 * cannot be stored.
 */
export function difference(before: object, next: object, scope?: ScopeIdentity): Difference {
  const walk = new Walk(scope);
  // The result for two objects is an object.
  const state = walk.value(before, next) as object;
  return { state, patches: walk.patches, inverse: walk.undo.toReversed() };
}

class Walk {
  readonly patches: Patch[] = [];
  /** The inverse of each patch, in the order of the patches. */
  readonly undo: Patch[] = [];
  readonly #scope: ScopeIdentity | undefined;
  readonly #path: Key[] = [];

  constructor(scope: ScopeIdentity | undefined) {
    this.#scope = scope;
  }

  /** Returns the adopted value of `next`, at the path of `before`. */
  value(before: unknown, next: unknown): unknown {
    if (Object.is(before, next)) return before;
    const kind = commonKind(before, next);
    // The casts are sound: `commonKind` has checked both.
    if (kind === "record") return this.#record(before as object, next as object);
    if (kind === "array") return this.#array(before as unknown[], next as unknown[]);
    if (kind === "map") return this.#map(before as Map<Key, unknown>, next as Map<Key, unknown>);
    if (kind === "set") return this.#set(before as Set<unknown>, next as Set<unknown>);
    if (equal(before, next)) return before;
    const value = this.#fresh(next);
    this.#note({ op: "replace", value }, { op: "replace", value: before });
    return value;
  }

  #record(before: object, next: object): object {
    const [old, made] = [before as Record<string, unknown>, copyRecord(next)]; // Fields by own key.
    let changed = false;
    for (const key of Object.keys(made)) {
      const had = Object.hasOwn(old, key);
      const value = this.#at(key, () => this.#entry(had, old[key], made[key]));
      changed ||= !had || !Object.is(value, old[key]);
      made[key] = value; // An own data property, so even `__proto__` is overwritten.
    }
    for (const key of Object.keys(old)) {
      if (Object.hasOwn(made, key)) continue;
      changed = true;
      this.#at(key, () => this.#note({ op: "remove" }, { op: "add", value: old[key] }));
    }
    return changed ? Object.freeze(made) : before;
  }

  #map(before: Map<Key, unknown>, next: Map<Key, unknown>): object {
    const made = new Map<Key, unknown>();
    let changed = false;
    for (const [key, given] of next) {
      const had = before.has(key);
      const value = this.#at(key, () => this.#entry(had, before.get(key), given));
      changed ||= !had || !Object.is(value, before.get(key));
      made.set(key, value);
    }
    for (const [key, value] of before) {
      if (next.has(key)) continue;
      changed = true;
      this.#at(key, () => this.#note({ op: "remove" }, { op: "add", value }));
    }
    return changed ? freezeShallow(made) : before;
  }

  #array(before: readonly unknown[], next: readonly unknown[]): object {
    const made: unknown[] = [];
    const common = Math.min(before.length, next.length);
    for (let index = 0; index < common; index++)
      made.push(this.#at(index, () => this.value(before[index], next[index])));
    for (let index = common; index < next.length; index++) {
      const value = this.#at(index, () => this.#fresh(next[index]));
      made.push(value);
      this.#at(index, () => this.#note({ op: "add", value }, { op: "remove" }));
    }
    for (let index = before.length - 1; index >= next.length; index--) {
      const value = before[index];
      this.#at(index, () => this.#note({ op: "remove" }, { op: "add", value }));
    }
    const same =
      before.length === made.length && made.every((item, at) => Object.is(item, before[at]));
    return same ? before : Object.freeze(made);
  }

  /** Members of a set have no path: a new member is an equal old one, or is added. */
  #set(before: Set<unknown>, next: Set<unknown>): object {
    const left = new Set([...before].filter((member) => !next.has(member)));
    const made = new Set<unknown>();
    for (const member of next) {
      const old = before.has(member) ? member : findEqual(left, member);
      left.delete(old);
      if (before.has(old)) made.add(old);
      else this.#at(made.size, () => this.#addMember(made, this.#fresh(member)));
    }
    for (const value of left)
      this.#at(made.size, () => this.#note({ op: "remove", value }, { op: "add", value }));
    const same = left.size === 0 && made.size === before.size;
    return same ? before : freezeShallow(made);
  }

  #addMember(made: Set<unknown>, value: unknown): void {
    made.add(value);
    this.#note({ op: "add", value }, { op: "remove", value });
  }

  #entry(had: boolean, before: unknown, next: unknown): unknown {
    if (had) return this.value(before, next);
    const value = this.#fresh(next);
    this.#note({ op: "add", value }, { op: "remove" });
    return value;
  }

  #fresh(value: unknown): unknown {
    const path = this.#path.map(String).join(".");
    return copyIn(value, path, { depth: this.#path.length, scope: this.#scope });
  }

  #at<T>(key: Key, work: () => T): T {
    this.#path.push(key);
    const result = work();
    this.#path.pop();
    return result;
  }

  #note(patch: Omit<Patch, "path">, inverse: Omit<Patch, "path">): void {
    const path = [...this.#path];
    this.patches.push({ ...patch, path });
    this.undo.push({ ...inverse, path });
  }
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
