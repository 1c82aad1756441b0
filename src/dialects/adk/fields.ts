/** Fields of records, and plain copies of what the caller gives. */
import { kindOf } from "../../../actors/state/kind.ts";
import { mutableCopy } from "../../../actors/state/mutable-copy.ts";

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
  if (kind !== "record" && kind !== "other") return mutableCopy(value);
  const fields: Fields = {};
  seen.set(value, fields);
  for (const [key, each] of Object.entries(value)) put(fields, key, flatten(each, seen));
  return fields;
}
