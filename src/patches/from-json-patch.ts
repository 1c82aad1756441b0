/**
 * Converts JSON Patch (RFC 6902) to immer-format patches that fit a state.
 *
 *  F1  The patches, applied to the state, give what the operations give. They are all returned, or
 *      none: an operation that does not fit throws, and so does a `test` that fails.
 *  F2  `copy` operations add at most `COPY_MAX` values, a long text or bytes counting as several:
 *      each may double a state, so that a short text would fill the memory.
 *  F3  No path leads through `__proto__`, `constructor` or `prototype`, nor into a `Map`, a `Set`,
 *      a `Date` or bytes.
 */
import { types } from "node:util";
import type { Json, Patch } from "../../actors/protocol.ts";
import { StateSerializationError } from "../../actors/errors.ts";
import { valuesIn } from "../../actors/scope/recipe-result.ts";
import { copyIn, isPlainObject, typeName } from "../../actors/state/copy.ts";
import { equal } from "../../actors/state/equal.ts";
import { applyChecked, misfit } from "./apply-patches.ts";
import { parsePointer } from "./pointer.ts";
import type { JsonPatchOperation } from "./to-json-patch.ts";
import { toJson } from "./to-json.ts";

type Path = readonly (string | number)[];

/** Most values that the `copy` operations of one JSON Patch add, all containers and leaves. */
const COPY_MAX = 2 ** 17;
/** So many characters, or bytes, of one value count as one value more. */
const VALUE_LENGTH = 128;

/** Keys that some programs take for more than a field. */
const REFUSED: ReadonlySet<string> = new Set(["__proto__", "constructor", "prototype"]);
const INDEX = /^(?:0|[1-9]\d*)$/;

/** One operation, checked. */
interface Operation {
  readonly op: JsonPatchOperation["op"];
  readonly keys: readonly string[];
  readonly from: readonly string[];
  readonly value: Json | undefined;
}

/**
 * The patches of a JSON Patch for `state`, for `applyPatches`. Values stay plain JSON; `copy` and
 * `move` keep the types of the state. `test` compares with `toJson` of the state. Throws
 * `StateTypeError` for an operation that does not fit and a `test` that fails, `TypeError` for what
 * is no JSON Patch, `StateSerializationError` when the `copy` operations would add more than
 * 131,072 values.
 */
export function fromJsonPatch(ops: readonly JsonPatchOperation[], state: unknown): Patch[] {
  if (!Array.isArray(ops)) throw new TypeError(`ops must be a list, received ${typeName(ops)}`);
  const patches: Patch[] = [];
  const made = new Set<object>();
  let current = state;
  let copied = 0;
  for (const operation of ops.map(checked)) {
    if (operation.op === "copy") copied += countOf(existing(current, operation.from).value, copied);
    for (const patch of converted(operation, current)) {
      patches.push(patch);
      current = applyChecked(current, [patch], made);
    }
  }
  return patches;
}

/** How many values there are in `value`; throws when they are too many after `copied` (F2). */
function countOf(value: unknown, copied: number): number {
  const values = [value]; // Not a set: what is at two places is copied twice.
  let count = copied;
  for (const node of values) {
    count += 1 + Math.floor(lengthOf(node) / VALUE_LENGTH);
    if (count > COPY_MAX) throw tooMany();
    for (const each of valuesIn(node)) {
      values.push(each);
      if (copied + values.length > COPY_MAX) throw tooMany();
    }
  }
  return count - copied;
}

/** The length of a text or of bytes, the names of the fields of a record; else 0. */
function lengthOf(node: unknown): number {
  if (typeof node === "string") return node.length;
  if (isPlainObject(node)) return Object.keys(node).reduce((sum, key) => sum + key.length, 0);
  return types.isUint8Array(node) ? node.byteLength : 0;
}

function tooMany(): StateSerializationError {
  const reason = `more than ${COPY_MAX} values, all copies of the JSON Patch together,`;
  return new StateSerializationError({ path: "", reason });
}

const OPS: ReadonlySet<unknown> = new Set(["add", "replace", "test", "remove", "move", "copy"]);

function checked(operation: unknown, index: number): Operation {
  if (!isPlainObject(operation) || !OPS.has(operation["op"]))
    throw new TypeError(`operation ${index} must be an object with an \`op\` of RFC 6902`);
  // `OPS` are all of them.
  const op = operation["op"] as Operation["op"];
  const keys = parsePointer(`path of operation ${index}`, operation["path"]);
  const hasFrom = op === "move" || op === "copy";
  const from = hasFrom ? parsePointer(`from of operation ${index}`, operation["from"]) : [];
  const needsValue = op === "add" || op === "replace" || op === "test";
  if (needsValue && operation["value"] === undefined)
    throw new TypeError(`operation ${index} must have a value`);
  for (const key of [...keys, ...from]) if (REFUSED.has(key)) throw misfit(keys, "a refused key");
  // Copied, for the patches are kept.
  const value = needsValue ? (copyIn(operation["value"], "value") as Json) : undefined;
  return { op, keys, from, value };
}

function converted({ op, keys, from, value }: Operation, state: unknown): Patch[] {
  if (op === "add") return [addition(state, keys, value)];
  if (op === "remove") return [removal(state, keys)];
  if (op === "replace") return [{ op, path: existing(state, keys).path, value }];
  if (op === "test") return tested(state, keys, value);
  const source = existing(state, from);
  const moved = copyIn(source.value, "");
  if (op === "copy") return [addition(state, keys, moved)];
  if (keys.length === from.length && keys.every((key, at) => key === from[at])) return [];
  if (keys.length > from.length && from.every((key, at) => key === keys[at]))
    throw misfit(keys, "a move into itself");
  const removed = removal(state, from);
  return [removed, addition(applyChecked(state, [removed], new Set()), keys, moved)];
}

/** A `test` has no patch. */
function tested(state: unknown, keys: readonly string[], value: unknown): Patch[] {
  const { path, value: found } = existing(state, keys);
  if (!equal(toJson(found), toJson(value))) throw misfit(path, "another value than tested");
  return [];
}

function removal(state: unknown, keys: readonly string[]): Patch {
  if (keys.length === 0) throw misfit([], "a removal of the whole state");
  return { op: "remove", path: existing(state, keys).path };
}

function addition(state: unknown, keys: readonly string[], value: unknown): Patch {
  const key = keys.at(-1);
  if (key === undefined) return { op: "replace", path: [], value };
  const { path, value: parent } = existing(state, keys.slice(0, -1));
  if (Array.isArray(parent)) {
    const index = key === "-" ? parent.length : indexOf(key, parent.length, keys);
    return { op: "add", path: [...path, index], value };
  }
  if (!isPlainObject(parent)) throw misfit(keys, "a value without fields");
  return { op: Object.hasOwn(parent, key) ? "replace" : "add", path: [...path, key], value };
}

/** The value at a path that must exist in JSON. */
function existing(state: unknown, keys: readonly string[]): { path: Path; value: unknown } {
  const path: (string | number)[] = [];
  let value = state;
  for (const key of keys) {
    const step = Array.isArray(value) ? indexOf(key, value.length - 1, keys) : key;
    const isThere = Array.isArray(value) || (isPlainObject(value) && Object.hasOwn(value, key));
    if (!isThere) throw misfit(keys, "no such path");
    value = Reflect.get(Object(value), step);
    if (value === undefined && typeof step === "string") throw misfit(keys, "no such path");
    path.push(step);
  }
  return { path, value };
}

function indexOf(key: string, highest: number, keys: readonly string[]): number {
  const index = INDEX.test(key) ? Number(key) : -1;
  if (index < 0 || index > highest) throw misfit(keys, `no index in a list up to ${highest}`);
  return index;
}
