/** Copies values out of a state, to be changed freely. */
import { types } from "node:util";
import type { Mutable } from "../state-types.ts";
import { isPlainObject } from "./kind.ts";

/**
 * A deep copy that shares nothing with `value` and can be changed: records, arrays, maps, sets,
 * dates and bytes are new (bytes as a `Uint8Array`); other values, also instances of classes, are
 * the values themselves. Throws `RangeError` for a value with a cycle, which no state has.
 */
export function mutableCopy<T>(value: T): Mutable<T> {
  return copy(value) as Mutable<T>; // A copy has the type of the original, without `readonly`.
}

function copy(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(copy);
  if (isPlainObject(value)) return copyFields(value);
  if (types.isDate(value)) return new Date(value);
  if (types.isUint8Array(value)) return new Uint8Array(value);
  if (types.isMap(value)) return new Map([...value].map(([key, each]) => [copy(key), copy(each)]));
  if (types.isSet(value)) return new Set([...value].map(copy));
  return value;
}

function copyFields(source: object): Record<string, unknown> {
  const fields: Record<string, unknown> = { ...source };
  for (const key of Object.keys(fields)) {
    const value = fields[key];
    // The key exists as own data, so `__proto__` too is overwritten.
    if (typeof value === "object" && value !== null) fields[key] = copy(value);
  }
  return fields;
}
