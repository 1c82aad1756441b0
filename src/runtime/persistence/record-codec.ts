/**
 * Encodes states as JSON and decodes them. A state of JSON values is its own encoding. A value that
 * JSON lacks becomes a tagged object, `{ "$holdfast": kind, "value": … }`. A user's object with a
 * `$holdfast` key is itself wrapped, so that a tag never means two things.
 *
 *  C1  `decodeState(encodeState(state))` is equal to `state`, and every node of it is frozen.
 *  C2  Nodes that need no tag are not copied.
 *  C3  Applying `encodePatches(state, patches)` to the encoding of `state` gives the encoding of
 *      the next state.
 */
import { copyRecord } from "../../../actors/state/patches.ts";
import { kindOf } from "../../../actors/state/kind.ts";
import type { Json, JsonObject, Patch } from "../../../actors/protocol.ts";
import { freezeShallow, MAX_DEPTH } from "../../../actors/state/copy.ts";

/** The key that marks an object as a tag. */
export const TAG = "$holdfast";

/** The fields of a plain object. */
export type Fields = Readonly<Record<string, unknown>>;

/** An element was inserted or removed at this index: those after it have moved. */
interface Move {
  readonly at: number;
  readonly op: "add" | "remove";
}

/** Most moves in one array; with more, the next state is encoded whole. */
const MOVES_MAX = 256;

/** A node on the path of a patch, with the values of the patches so far at and below it. */
interface Spot {
  value: unknown;
  /** By key; in an array, by the number of moves so far and the index at that time. */
  readonly below: Map<string, Spot>;
  /** Length of an array after the patches so far. */
  length: number;
  readonly moves: Move[];
}

/**
 * Converts `patches`, a change of the committed `state`, for its encoding. `undefined` when a
 * path leads through a node that is encoded in another shape (a map, a set, a wrapped object), or
 * costs too much to follow; then encode the next state whole. The cost does not depend on the size
 * of the state.
 */
export function encodePatches(state: object, patches: readonly Patch[]): Patch[] | undefined {
  const root = spotOf(state);
  const encoded: Patch[] = [];
  for (const { op, path, value } of patches) {
    if (!follow(root, { op, path, value })) return undefined;
    encoded.push(op === "remove" ? { op, path } : { op, path, value: encode(value) });
  }
  return encoded;
}

/**
 * Returns the state, deep-frozen. Takes ownership of `json`: its plain nodes are frozen in place.
 * Throws an `Error` when the JSON is not the result of `encodeState`.
 */
export function decodeState(json: Json): object {
  const state = decode(json, 1);
  if (typeof state === "object" && state !== null) return state;
  throw new Error("a stored state is not an object");
}

function encode(value: unknown): Json {
  if (typeof value === "string" || typeof value === "boolean" || value === null) return value;
  if (typeof value === "object") return encodeState(value);
  if (typeof value === "number") return encodeNumber(value);
  return typeof value === "bigint" ? tag("bigint", String(value)) : { [TAG]: "undefined" };
}

function encodeNumber(value: number): Json {
  if (Object.is(value, -0)) return tag("number", "-0");
  return Number.isFinite(value) ? value : tag("number", String(value));
}

function tag(kind: string, value: Json): Json {
  return { [TAG]: kind, value };
}

/** Returns the JSON form of a committed state. Plain nodes are shared, not copied. */
export function encodeState(node: object): Json {
  const kind = kindOf(node);
  // The casts are sound: `kindOf` checks the node, and a committed state has no other kinds.
  if (kind === "record") return encodeFields(node as Fields);
  if (kind === "array") return encodeList(node as readonly unknown[]);
  if (kind === "map") return tag("map", encodeList([...(node as Map<unknown, unknown>)]));
  if (kind === "set") return tag("set", encodeList([...(node as Set<unknown>)]));
  if (kind === "bytes") return tag("bytes", Buffer.from(node as Uint8Array).toString("base64"));
  const time = (node as Date).getTime();
  return tag("date", Number.isNaN(time) ? null : new Date(time).toISOString());
}

/* Most values are leaves that are their own encoding: the loops pass over them without a call. */

function encodeList(list: readonly unknown[]): Json {
  let copy: Json[] | undefined;
  for (let index = 0; index < list.length; index++) {
    const value = list[index];
    if (typeof value === "string" || typeof value === "boolean" || value === null) continue;
    if (Number.isFinite(value) && !Object.is(value, -0)) continue;
    const encoded = encode(value);
    // Sound: every member that was its own encoding is JSON.
    if (encoded !== value) (copy ??= list.slice() as Json[])[index] = encoded;
  }
  return copy ?? (list as readonly Json[]);
}

/** Returns the JSON form of a plain object. */
export function encodeFields(node: Fields): Json {
  let copy: Record<string, unknown> | undefined;
  for (const key of Object.keys(node)) {
    const value = node[key];
    if (typeof value === "string" || typeof value === "boolean" || value === null) continue;
    if (Number.isFinite(value) && !Object.is(value, -0)) continue;
    const encoded = encode(value);
    if (encoded !== value) (copy ??= copyRecord(node))[key] = encoded;
  }
  // Sound: every field that was its own encoding is JSON.
  const json = (copy ?? node) as JsonObject;
  return Object.hasOwn(node, TAG) ? tag("object", json) : json;
}

function decode(json: Json, depth: number): unknown {
  if (typeof json !== "object" || json === null) return json;
  if (Array.isArray(json)) return decodeList(json, depth);
  // Sound: JSON that is an object and no array is a `JsonObject`.
  const node = json as JsonObject;
  return Object.hasOwn(node, TAG) ? decodeTag(node, depth) : decodeRecord(node, depth);
}

function checkDepth(depth: number): void {
  if (depth > MAX_DEPTH) throw new Error(`a stored state nests deeper than ${MAX_DEPTH} levels`);
}

function decodeList(list: readonly Json[], depth: number): readonly unknown[] {
  checkDepth(depth);
  let copy: unknown[] | undefined;
  for (let index = 0; index < list.length; index++) {
    const value = list[index] ?? null;
    const decoded = decode(value, depth + 1);
    if (decoded !== value) (copy ??= list.slice())[index] = decoded;
  }
  return Object.freeze(copy ?? list);
}

function decodeRecord(node: JsonObject, depth: number): Fields {
  checkDepth(depth);
  let copy: Record<string, unknown> | undefined;
  for (const key of Object.keys(node)) {
    const value = node[key] ?? null;
    const decoded = decode(value, depth + 1);
    if (decoded !== value) (copy ??= copyRecord(node))[key] = decoded;
  }
  return Object.freeze(copy ?? node);
}

function decodeTag(node: JsonObject, depth: number): unknown {
  const { [TAG]: kind, value } = node;
  if (kind === "undefined") return undefined;
  if (kind === "date" && value === null) return new Date(Number.NaN);
  if (typeof value === "string") return decodeText(kind, value);
  if (Array.isArray(value)) return decodeCollection(kind, value as readonly Json[], depth);
  if (kind === "object" && typeof value === "object" && value !== null) {
    return decodeRecord(value as JsonObject, depth);
  }
  return unreadable(kind);
}

function unreadable(kind: Json | undefined): never {
  const name = typeof kind === "string" ? `"${kind.slice(0, 40)}"` : typeof kind;
  throw new Error(`a stored value has a tag that cannot be read: ${name}`);
}

function decodeText(kind: Json | undefined, text: string): unknown {
  if (kind === "bytes") return new Uint8Array(Buffer.from(text, "base64"));
  if (kind === "bigint" && /^-?\d+$/.test(text)) return BigInt(text);
  if (kind === "number" && /^(NaN|-?Infinity|-0)$/.test(text)) return Number(text);
  const date = new Date(kind === "date" ? text : Number.NaN);
  return Number.isNaN(date.getTime()) ? unreadable(kind) : date;
}

function decodeCollection(kind: Json | undefined, list: readonly Json[], depth: number): object {
  checkDepth(depth);
  if (kind === "set") {
    return freezeShallow(new Set(list.map((member) => decode(member, depth + 1))));
  }
  if (kind !== "map") return unreadable(kind);
  return freezeShallow(new Map(list.map((pair) => decodePair(pair, depth))));
}

function decodePair(pair: Json, depth: number): [unknown, unknown] {
  if (!Array.isArray(pair) || pair.length !== 2) return unreadable("map");
  // Sound: the members of a JSON array are JSON.
  const [key, value] = pair as [Json, Json];
  return [decode(key, depth + 1), decode(value, depth + 1)];
}

function spotOf(value: unknown): Spot {
  const length = Array.isArray(value) ? value.length : 0;
  return { value, below: new Map(), length, moves: [] };
}

/** Follows the path of one patch and records its change; false when it cannot be followed. */
function follow(root: Spot, patch: Patch): boolean {
  const last = patch.path.at(-1);
  if (last === undefined) {
    Object.assign(root, spotOf(patch.value));
    return patch.op !== "remove";
  }
  let spot: Spot | undefined = root;
  for (const key of patch.path.slice(0, -1)) spot = spot && stepInto(spot, String(key));
  if (spot === undefined) return false;
  return Array.isArray(spot.value)
    ? noteElement(spot, String(last), patch)
    : noteField(spot, String(last), patch);
}

function stepInto(spot: Spot, key: string): Spot | undefined {
  const { value, below } = spot;
  if (!keepsShape(value)) return undefined;
  if (Array.isArray(value)) return stepIntoArray(spot, value, Number(key));
  const known = below.get(key);
  if (known !== undefined) return known;
  if (!Object.hasOwn(value, key)) return undefined;
  const next = spotOf(Reflect.get(value, key));
  below.set(key, next);
  return next;
}

/** Follows an element back through the moves to its insertion, or to its first index. */
function stepIntoArray(
  { below, length, moves }: Spot,
  array: readonly unknown[],
  index: number,
): Spot | undefined {
  if (!(index >= 0 && index < length) || moves.length >= MOVES_MAX) return undefined;
  let at = index;
  for (let made = moves.length; ; made--) {
    const known = below.get(elementKey(made, at));
    if (known !== undefined) return known;
    const move = moves[made - 1];
    if (move === undefined) break;
    if (move.op === "remove" && move.at <= at) at += 1;
    else if (move.op === "add" && move.at < at) at -= 1;
  }
  const next = spotOf(array[at]);
  below.set(elementKey(moves.length, index), next);
  return next;
}

function elementKey(moves: number, index: number): string {
  return `${moves}:${index}`;
}

/** True for a node whose encoding has its fields or elements at the same keys. */
function keepsShape(value: unknown): value is object {
  if (typeof value !== "object" || value === null) return false;
  const kind = kindOf(value);
  return kind === "array" || (kind === "record" && !Object.hasOwn(value, TAG));
}

function noteField(spot: Spot, key: string, patch: Patch): boolean {
  // A field with the name of the tag changes how the whole record is encoded.
  if (!keepsShape(spot.value) || key === TAG) return false;
  spot.below.set(key, spotOf(patch.op === "remove" ? undefined : patch.value));
  return true;
}

function noteElement(spot: Spot, key: string, patch: Patch): boolean {
  if (key === "length") {
    spot.length = Number(patch.value);
    return spot.length >= 0;
  }
  const at = Number(key);
  const { op, value } = patch;
  if (op !== "replace") {
    const end = op === "remove" ? spot.length - 1 : spot.length;
    if (at < end && spot.moves.length < MOVES_MAX) spot.moves.push({ at, op });
    spot.length += op === "add" ? 1 : -1;
  }
  if (op !== "remove") spot.below.set(elementKey(spot.moves.length, at), spotOf(value));
  return at >= 0;
}
