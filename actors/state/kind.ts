/** What kind of state node a value is. One decision, shared by copying, comparing and encoding. */
import { types } from "node:util";

/** The kinds of object a state may hold; `other` is everything it may not. */
export type NodeKind = "record" | "array" | "map" | "set" | "date" | "bytes" | "other";

/**
 * Names the kind of `node`. Plain objects and built-ins of another realm count as their kind;
 * instances of classes, also of classes that extend a built-in, are `other`. A `Buffer` is `bytes`.
 */
export function kindOf(node: object): NodeKind {
  const prototype: unknown = Object.getPrototypeOf(node);
  if (prototype === Object.prototype) return "record";
  if (Array.isArray(node)) {
    return prototype === Array.prototype || isTopClass(prototype) ? "array" : "other";
  }
  if (types.isUint8Array(node)) return "bytes";
  if (isRecordPrototype(prototype)) return "record";
  if (!isTopClass(prototype)) return "other";
  if (types.isDate(node)) return "date";
  if (types.isMap(node)) return "map";
  return types.isSet(node) ? "set" : "other";
}

/** True for an object that is neither an array nor an instance of anything. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  return Object.getPrototypeOf(value) === Object.prototype || kindOf(value) === "record";
}

/**
 * A short name of what `value` is, for messages: `null`, `array`, `string`, `Map`, a class name.
 */
export function typeName(value: unknown): string {
  if (value === null) return "null";
  if (typeof value !== "object") return typeof value;
  try {
    if (Array.isArray(value)) return "array";
    return isPlainObject(value) ? "object" : className(value);
  } catch {
    return "object";
  }
}

function className(value: object): string {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (typeof prototype !== "object" || prototype === null) return "object";
  const made: unknown = "constructor" in prototype ? prototype.constructor : undefined;
  return typeof made === "function" && made.name !== "" ? made.name : "object";
}

/** True when the parent of `prototype` is an object prototype, as for a built-in. */
function isTopClass(prototype: unknown): boolean {
  if (typeof prototype !== "object" || prototype === null) return false;
  const above: unknown = Object.getPrototypeOf(prototype);
  return typeof above === "object" && above !== null && Object.getPrototypeOf(above) === null;
}

function isRecordPrototype(prototype: unknown): boolean {
  if (prototype === null) return true;
  if (typeof prototype !== "object") return false;
  // The object prototype of any realm is a root that owns `isPrototypeOf`; no other root does.
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, "isPrototypeOf");
}
