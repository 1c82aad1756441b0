/**
 * Converts immer-format patches to JSON Patch (RFC 6902).
 *
 *  J1  With `before`, the operations lead from `toJson(before)` to the JSON of the state that the
 *      patches lead to: members of sets and maps are in the order in which the patches add them.
 *  J2  `add` is used exactly where nothing was, `replace` and `remove` where something was.
 */
import type { Json, Patch } from "../../actors/protocol.ts";
import { kindOf } from "../../actors/state/kind.ts";
import { applyChecked } from "./apply-patches.ts";
import { toPointer } from "./pointer.ts";
import { toJson } from "./to-json.ts";

/** One operation of a JSON Patch (RFC 6902). */
export type JsonPatchOperation =
  | { readonly op: "add" | "replace" | "test"; readonly path: string; readonly value: Json }
  | { readonly op: "remove"; readonly path: string }
  | { readonly op: "move" | "copy"; readonly path: string; readonly from: string };

type Key = string | number;

/** A node of the state on the path of a patch. */
interface Place {
  readonly parent: object;
  readonly key: Key;
}

/**
 * The JSON Patch of a change. `before` is the state before it. Values are converted by `toJson`;
 * a change inside a `Map` or `Set` replaces the whole of it. Without `before` the patches must be
 * those of records and lists of JSON values, and each `replace` is taken to find a value; throws
 * `TypeError` for the `length` of a list, which cannot be converted then. With `before` throws
 * `StateTypeError` for patches that do not fit it.
 */
export function toJsonPatch(
  patches: readonly Patch[],
  ...[before]: [before?: unknown]
): JsonPatchOperation[] {
  if (before === undefined) return patches.flatMap((patch) => ofPatch(patch));
  const operations: JsonPatchOperation[] = [];
  const made = new Set<object>();
  let state: unknown = before;
  for (const patch of patches) {
    const place = placeOf(state, patch);
    const whole = place.inside;
    const converted = whole === null ? ofPatch(patch, place) : [];
    state = applyChecked(state, [patch], made);
    if (whole === null) operations.push(...converted);
    else replaceWhole(operations, whole, state);
  }
  return operations;
}

/** Where a patch applies: its parent, unless the path leads into a node without paths in JSON. */
type Found =
  | { readonly inside: null; readonly place: Place | undefined }
  | { readonly inside: readonly Key[]; readonly place: undefined };

function placeOf(state: unknown, { path }: Patch): Found {
  let node: unknown = state;
  for (const [depth, key] of path.entries()) {
    if (typeof node !== "object" || node === null) break; // The patch does not fit.
    const kind = kindOf(node);
    if (kind !== "record" && kind !== "array")
      return { inside: path.slice(0, depth), place: undefined };
    if (depth === path.length - 1) return { inside: null, place: { parent: node, key } };
    node = Object.hasOwn(node, key) ? Reflect.get(node, key) : undefined;
  }
  return { inside: null, place: undefined };
}

/** A later change of the same whole replaces the value of the earlier one. */
function replaceWhole(
  operations: JsonPatchOperation[],
  path: readonly Key[],
  state: unknown,
): void {
  const pointer = toPointer(path);
  const last = operations.at(-1);
  if (last?.op === "replace" && last.path === pointer) operations.pop();
  const node = path.reduce<unknown>((at, key) => Reflect.get(Object(at), key), state);
  operations.push({ op: "replace", path: pointer, value: toJson(node) });
}

function ofPatch(patch: Patch, found?: Found): JsonPatchOperation[] {
  const { path, value } = patch;
  const key = path.at(-1);
  if (key === undefined) return [{ op: "replace", path: "", value: toJson(value) }];
  const parent = found?.place?.parent;
  if (key === "length" && Array.isArray(parent)) return shortened(patch, parent);
  if (parent !== undefined)
    return Array.isArray(parent) ? ofElement(patch) : ofField(patch, parent);
  if (key === "length" && patch.op === "replace")
    throw new TypeError("toJsonPatch needs `before` to convert a patch of a length");
  return typeof key === "number" ? ofElement(patch) : ofField(patch);
}

function ofElement({ op, path, value }: Patch): JsonPatchOperation[] {
  const pointer = toPointer(path);
  return [op === "remove" ? { op, path: pointer } : { op, path: pointer, value: toJson(value) }];
}

/** A field that is `undefined` is absent in JSON. Without its parent the patch says what was. */
function ofField({ op, path, value }: Patch, parent?: object): JsonPatchOperation[] {
  const pointer = toPointer(path);
  const was = parent === undefined ? op !== "add" : hasValue(parent, path.at(-1) ?? "");
  if (op !== "remove" && value !== undefined)
    return [{ op: was ? "replace" : "add", path: pointer, value: toJson(value) }];
  return was ? [{ op: "remove", path: pointer }] : [];
}

function hasValue(parent: object, key: Key): boolean {
  return Object.hasOwn(parent, key) && Reflect.get(parent, key) !== undefined;
}

/** The elements that a shorter `length` cuts off are removed from the end. */
function shortened({ path, value }: Patch, list: readonly unknown[]): JsonPatchOperation[] {
  const count = Math.max(0, list.length - Number(value));
  return Array.from({ length: count }, (_, at) => ({
    op: "remove",
    path: toPointer([...path.slice(0, -1), list.length - 1 - at]),
  }));
}
