/**
 * The values that callers receive. The original keeps a given object as it is; a state keeps bytes
 * as `Uint8Array`. So bytes are returned as a `Buffer`, which is one.
 */
import { kindOf } from "../../../actors/state/kind.ts";
import { freezeShallow } from "../../../actors/state/copy.ts";

/** A detached, mutable copy of a stored value; bytes are Buffers. */
export function copyOut(value: unknown): unknown {
  return convert(value, false);
}

/** A stored value, frozen, in which bytes are Buffers; a value without bytes is not copied. */
export function showBytes<T>(value: T): T {
  // The type of the stored value: a Buffer is a Uint8Array.
  return convert(value, true) as T;
}

function convert(value: unknown, shares: boolean): unknown {
  if (typeof value !== "object" || value === null) return value;
  const kind = kindOf(value);
  // The casts are sound: `kindOf` has checked the value.
  if (kind === "bytes") return Buffer.from(value as Uint8Array);
  if (kind === "date") return shares ? value : new Date(value as Date);
  const parts = partsOf(value);
  const copies = parts.map((part) => convert(part, shares));
  if (shares && copies.every((copy, index) => copy === parts[index])) return value;
  const copy = rebuilt(value, copies);
  return shares ? freezeShallow(copy) : copy;
}

/** The contents of a container in their order; a map's keys before its values. */
function partsOf(node: object): unknown[] {
  const kind = kindOf(node);
  if (kind === "array") return node as unknown[];
  if (kind === "set") return [...(node as Set<unknown>)];
  if (kind !== "map") return Object.values(node);
  const map = node as Map<unknown, unknown>;
  return [...map.keys(), ...map.values()];
}

/** A container like `node` with `parts` as its contents. */
function rebuilt(node: object, parts: unknown[]): object {
  const kind = kindOf(node);
  if (kind === "array") return parts;
  if (kind === "set") return new Set(parts);
  if (kind !== "map")
    return Object.fromEntries(Object.keys(node).map((key, at) => [key, parts[at]]));
  const size = parts.length / 2;
  return new Map(parts.slice(0, size).map((key, at) => [key, parts[size + at]]));
}
