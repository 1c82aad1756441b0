/**
 * Applies immer-format patches to a state without changing it. The replay of a log and the adoption
 * of a change of another process use it.
 *
 * Owns: nothing; a pure function of its arguments.
 *
 *  P1  Neither the state nor a patch value is changed; only nodes on a changed path are copied,
 *      each at most once per call.
 *  P2  Only own properties are read or written: `__proto__` is an ordinary key.
 *  P3  A patch that does not fit the state throws `PatchError`; no partial result is returned.
 */
import { types } from "node:util";
import { equal } from "./equal.ts";
import { kindOf } from "./kind.ts";
import type { Patch } from "../protocol.ts";

/** Records with more fields than this are copied into a dictionary; a spread of them is slow. */
export const SPREAD_LIMIT = 128;

type PathKey = string | number;

/** A patch does not fit the state it is applied to; the state is unchanged. */
export class PatchError extends Error {
  readonly path: Patch["path"];
  readonly reason: string;

  constructor(patch: Patch, reason: string) {
    super(`cannot ${patch.op} at "${patch.path.map(String).join(".")}": ${reason}`);
    this.name = "PatchError";
    this.path = patch.path;
    this.reason = reason;
  }
}

/**
 * Returns the state after `patches`, in order: `add` inserts into arrays, `remove` takes
 * out, `replace` of an array's `length` truncates, a set loses members by their value, the empty
 * path replaces the whole state. Unchanged nodes are shared with `state`; new ones are not frozen.
 * Throws `PatchError` when a path does not exist. `owned` receives the new nodes; those of an
 * earlier call that are in it are changed in place.
 */
export function applyPatches<S>(
  state: S,
  patches: readonly Patch[],
  owned: Set<object> = new Set(),
): S {
  let root: unknown = state;
  for (const patch of patches) {
    root = patch.path.length === 0 ? replaceRoot(patch) : applyOne(root, patch, owned);
  }
  // Patches of a state of type S lead to a state of type S; the log has only such patches.
  return root as S;
}

/** A shallow copy of a record that is a plain object and keeps `__proto__` an ordinary own key. */
export function copyRecord(node: object): Record<string, unknown> {
  const keys = Object.keys(node);
  if (keys.length <= SPREAD_LIMIT) return { ...node };
  // Without a prototype the object starts as a dictionary, and `__proto__` has no setter to hit.
  const copy: Record<string, unknown> = Object.create(null);
  // Sound: the keys are own keys of `node`.
  const source = node as Record<string, unknown>;
  for (const key of keys) copy[key] = source[key];
  return Object.setPrototypeOf(copy, Object.prototype);
}

/** A shallow copy of an array. Of a frozen one a spread takes a twentieth of what `slice` takes. */
export function copyArray(node: readonly unknown[]): unknown[] {
  return [...node];
}

function replaceRoot(patch: Patch): unknown {
  if (patch.op === "remove") throw new PatchError(patch, "the root cannot be removed");
  return patch.value;
}

function applyOne(root: unknown, patch: Patch, owned: Set<object>): unknown {
  const top = ownedCopy(root, patch, owned);
  let node = top;
  const last = patch.path.length - 1;
  for (let depth = 0; depth < last; depth++) node = descend(node, depth, patch, owned);
  write(node, keyAt(patch, last), patch);
  return top;
}

function keyAt(patch: Patch, index: number): PathKey {
  const key = patch.path[index];
  if (typeof key === "string" || typeof key === "number") return key;
  throw new PatchError(patch, "the path holds something that is not a key");
}

/** Copies a node unless this call made it. */
function ownedCopy(node: unknown, patch: Patch, owned: Set<object>): object {
  if (typeof node !== "object" || node === null) throw new PatchError(patch, "no such path");
  if (owned.has(node)) return node;
  const copy = shallowCopy(node, patch);
  owned.add(copy);
  return copy;
}

function shallowCopy(node: object, patch: Patch): object {
  if (Array.isArray(node)) return copyArray(node);
  if (types.isMap(node)) return new Map(node);
  if (types.isSet(node)) return new Set(node);
  if (kindOf(node) === "record") return copyRecord(node);
  throw new PatchError(patch, "no such path");
}

/** Makes the child under the path's key a node of this call and steps into it. */
function descend(node: object, depth: number, patch: Patch, owned: Set<object>): object {
  const key = keyAt(patch, depth);
  if (Array.isArray(node)) {
    const index = indexIn(node, key, node.length - 1, patch);
    return (node[index] = ownedCopy(node[index], patch, owned));
  }
  if (types.isMap(node)) {
    const child = ownedCopy(node.get(key), patch, owned);
    node.set(key, child);
    return child;
  }
  if (types.isSet(node)) throw new PatchError(patch, "a path cannot run through a set");
  return descendRecord(node, String(key), { patch, owned });
}

function descendRecord(
  node: object,
  key: string,
  context: { readonly patch: Patch; readonly owned: Set<object> },
): object {
  if (!Object.hasOwn(node, key)) throw new PatchError(context.patch, "no such path");
  // Sound: a node that is no array, map or set is a record, and the key is its own.
  const record = node as Record<string, unknown>;
  const child = ownedCopy(record[key], context.patch, context.owned);
  // The key is an own data property, so even `__proto__` is simply overwritten.
  record[key] = child;
  return child;
}

function write(node: object, key: PathKey, patch: Patch): void {
  if (Array.isArray(node)) writeArray(node, key, patch);
  else if (types.isMap(node)) writeMap(node, key, patch);
  else if (types.isSet(node)) writeSet(node, patch);
  else writeRecord(node, String(key), patch);
}

function writeArray(node: unknown[], key: PathKey, patch: Patch): void {
  if (key === "length") {
    if (patch.op !== "replace") throw new PatchError(patch, "a length can only be replaced");
    node.length = indexIn(node, toKey(patch.value), node.length, patch);
  } else if (patch.op === "add") {
    const index = indexIn(node, key, node.length, patch);
    if (index === node.length) node.push(patch.value);
    else node.splice(index, 0, patch.value);
  } else {
    const index = indexIn(node, key, node.length - 1, patch);
    if (patch.op === "replace") node[index] = patch.value;
    else node.splice(index, 1);
  }
}

function toKey(value: unknown): PathKey {
  return typeof value === "number" ? value : "";
}

/** The array index of a key; keys that were stored as text may be digits. */
function indexIn(node: unknown[], key: PathKey, highest: number, patch: Patch): number {
  const index = typeof key === "number" ? key : /^\d+$/.test(key) ? Number(key) : -1;
  if (Number.isInteger(index) && index >= 0 && index <= highest) return index;
  throw new PatchError(patch, `no such place in an array of ${node.length}`);
}

function writeMap(node: Map<unknown, unknown>, key: PathKey, patch: Patch): void {
  if (patch.op !== "add" && !node.has(key)) throw new PatchError(patch, "no such entry");
  if (patch.op === "remove") node.delete(key);
  else node.set(key, patch.value);
}

function writeSet(node: Set<unknown>, patch: Patch): void {
  if (patch.op === "replace") throw new PatchError(patch, "members of a set are not replaced");
  if (patch.op === "add") return void node.add(patch.value); // Also beside an equal object.
  const member = node.has(patch.value) ? patch.value : findMember(node, patch.value);
  if (!node.delete(member)) throw new PatchError(patch, "no such member");
}

/** The member equal to `value`, which came from a log and is not the same object. */
function findMember(node: Set<unknown>, value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  for (const member of node) if (equal(member, value)) return member;
  return value;
}

function writeRecord(node: object, key: string, patch: Patch): void {
  if (patch.op !== "add" && !Object.hasOwn(node, key)) {
    throw new PatchError(patch, "no such path");
  }
  if (patch.op === "remove") {
    Reflect.deleteProperty(node, key);
  } else {
    Object.defineProperty(node, key, {
      value: patch.value,
      configurable: true,
      enumerable: true,
      writable: true,
    });
  }
}
