/**
 * Measures states.
 *
 * Owns: the measured sizes of frozen nodes, and those of nodes under construction.
 *
 *  Z1  For a state of JSON values the size is the UTF-8 length of its `JSON.stringify` text.
 *  Z2  A frozen node never changes, so it is measured once; a state that shares nodes with a
 *      measured one costs one look-up per shared node.
 *  Z3  A list or record that the draft state copies from a measured one and writes is not measured
 *      again: each write adds and subtracts its own size.
 */
import { kindOf } from "./kind.ts";

/** Nodes of fewer bytes are measured again: that is cheaper than keeping their size. */
const REMEMBERED_BYTES = 128;

const sizes = new WeakMap<object, number>();
/** Brackets and members, with a comma after each: one more than the size. */
const openSizes = new WeakMap<object, number>();
/** False until a size was kept: without measurements the size functions do nothing. */
let isMeasuring = false;

/** `copy` has the members of the frozen `base`, and is going to be written. */
export function carrySize(base: object, copy: object): void {
  if (!isMeasuring) return;
  const bytes = sizes.get(base);
  if (bytes !== undefined) openSizes.set(copy, bytes);
}

/** A member was written to a node under construction; of a record, under `key`. */
export function addSize(node: object, value: unknown, key?: string): void {
  const bytes = isMeasuring ? openSizes.get(node) : undefined;
  if (bytes !== undefined) openSizes.set(node, bytes + memberBytes(value, key));
}

/** A member was taken out of a node under construction, or is going to be replaced. */
export function dropSize(node: object, value: unknown, key?: string): void {
  const bytes = isMeasuring ? openSizes.get(node) : undefined;
  if (bytes !== undefined) openSizes.set(node, bytes - memberBytes(value, key));
}

function memberBytes(value: unknown, key: string | undefined): number {
  if (key === undefined) return sizeBytes(value) + 1;
  return value === undefined ? 0 : textBytes(key) + sizeBytes(value) + 2;
}

/**
 * UTF-8 bytes of the JSON text of a value that passed `copyIn`. As in JSON, a field that is
 * `undefined` counts nothing, NaN and infinities count as `null`, a date as its ISO text. Beyond
 * JSON, a bigint counts as its digits in quotes, a map as an array of pairs, a set as an array,
 * bytes as base64 text. The marks a store adds to tell these kinds apart are not counted.
 */
export function sizeBytes(value: unknown): number {
  if (typeof value === "string") return textBytes(value);
  if (typeof value === "number") return Number.isFinite(value) ? String(value).length : 4;
  if (typeof value === "object" && value !== null) return nodeBytes(value);
  if (typeof value === "bigint") return String(value).length + 2;
  return value === false ? 5 : 4;
}

function nodeBytes(node: object): number {
  const known = sizes.get(node);
  if (known !== undefined) return known;
  const open = openSizes.get(node);
  const bytes = open === undefined ? measure(node) : Math.max(open, 2);
  if (bytes < REMEMBERED_BYTES || !Object.isFrozen(node)) return bytes;
  isMeasuring = true;
  sizes.set(node, bytes);
  return bytes;
}

function measure(node: object): number {
  const kind = kindOf(node);
  // The casts are sound: `kindOf` says what the node is.
  if (kind === "record") return recordBytes(node as Record<string, unknown>);
  if (kind === "array" || kind === "set") return listBytes(node as Iterable<unknown>, sizeBytes);
  if (kind === "map") return listBytes(node as Map<unknown, unknown>, pairBytes);
  if (kind === "bytes") return Math.ceil((node as Uint8Array).length / 3) * 4 + 2;
  return Number.isNaN((node as Date).getTime()) ? 4 : (node as Date).toISOString().length + 2;
}

function pairBytes(pair: readonly [unknown, unknown]): number {
  return sizeBytes(pair[0]) + sizeBytes(pair[1]) + 3;
}

/** Brackets, members and the commas between them. */
function listBytes<T>(members: Iterable<T>, size: (member: T) => number): number {
  let bytes = 1;
  for (const member of members) bytes += size(member) + 1;
  return Math.max(bytes, 2);
}

function recordBytes(node: Record<string, unknown>): number {
  let bytes = 1;
  for (const key of Object.keys(node)) bytes += memberBytes(node[key], key);
  return Math.max(bytes, 2);
}

/** Most text is printable ASCII without quotes, which JSON writes as it is. */
function textBytes(text: string): number {
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit < 0x20 || unit > 0x7e || unit === 0x22 || unit === 0x5c) {
      return Buffer.byteLength(JSON.stringify(text));
    }
  }
  return text.length + 2;
}
