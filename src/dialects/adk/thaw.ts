/** Mutable copies of immutable values. */
import { types } from "node:util";
import { kindOf } from "../../../actors/state/kind.ts";
import { isPlainObject } from "../../../actors/state/copy.ts";

/** A record by its fields. */
export type Fields = Record<string, unknown>;

/** Writes an own field; `__proto__` is a name like any other. */
export function put(target: object, key: string, value: unknown): void {
  if (key !== "__proto__") {
    // The callers' targets accept any field; the check above excludes inherited setters.
    (target as Fields)[key] = value;
    return;
  }
  const descriptor = { value, writable: true, enumerable: true, configurable: true };
  Object.defineProperty(target, key, descriptor);
}

/**
 * A detached, mutable copy: containers, dates and bytes are new, everything else (leaves, instances
 * of classes) is the value itself. The value must have no cycle.
 */
export function thaw<T>(value: T): T {
  // A copy has the type of the original.
  return copy(value) as T;
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

function copyFields(source: object): Fields {
  const fields: Fields = { ...source };
  for (const key of Object.keys(fields)) {
    const value = fields[key];
    // The key exists as own data, so `__proto__` too is overwritten.
    if (typeof value === "object" && value !== null) fields[key] = copy(value);
  }
  return fields;
}

/**
 * A copy in which every instance of a class is a plain record of its own fields and symbol keys are
 * omitted, as in JSON. A repeated value is copied once; a cycle stays a cycle.
 */
export function flatten(value: unknown, seen: Map<object, object> = new Map()): unknown {
  if (typeof value !== "object" || value === null) return value;
  const known = seen.get(value);
  if (known !== undefined) return known;
  if (Array.isArray(value)) {
    const list: unknown[] = [];
    seen.set(value, list);
    for (const each of value) list.push(flatten(each, seen));
    return list;
  }
  const kind = kindOf(value);
  if (kind !== "record" && kind !== "other") return thaw(value);
  const fields: Fields = {};
  seen.set(value, fields);
  for (const [key, each] of Object.entries(value)) put(fields, key, flatten(each, seen));
  return fields;
}
