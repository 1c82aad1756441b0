/**
 * Values as JSON. What a turn stores becomes plain JSON, or is rejected; a stored value is returned
 * as a mutable copy.
 */
import { StateSerializationError } from "../../../actors/errors.ts";
import { kindOf, typeName } from "../../../actors/state/kind.ts";
import { copyRecord } from "../../../actors/state/patches.ts";
import type { Json, ScopeIdentity } from "../../../actors/protocol.ts";
import { MAX_DEPTH } from "../../../actors/state/copy.ts";

/** Stands for a missing key. */
export const GONE: unique symbol = Symbol("gone");

/** `strict` rejects what JSON cannot represent; `coerce` converts it as `JSON.stringify` does. */
export type ValuesPolicy = "strict" | "coerce";

/** The location of a value, for the error. */
interface Location {
  readonly path: string;
  readonly scope: ScopeIdentity | undefined;
}

/**
 * A JSON copy of `value`: dates become their ISO text, fields that are `undefined` are omitted.
 * `GONE` when there is no value. Throws `StateSerializationError` for a value that JSON cannot
 * represent.
 */
export function toJson(
  value: unknown,
  policy: ValuesPolicy,
  location: Location,
): Json | typeof GONE {
  if (value === undefined) return GONE;
  return policy === "strict" ? copy(value, location, []) : coerce(value, location);
}

/** A mutable copy of stored JSON that shares nothing with it. */
export function thaw(json: Json): unknown {
  if (typeof json !== "object" || json === null) return json;
  if (Array.isArray(json)) return json.map(thaw);
  const record = copyRecord(json);
  for (const key of Object.keys(record)) {
    const value = record[key];
    // The key exists as own data, so `__proto__` too is overwritten. The child of JSON is JSON.
    if (typeof value === "object" && value !== null) record[key] = thaw(value as Json);
  }
  return record;
}

/** Reads a JSON text, or returns the reason why it cannot be read. */
export function parseJson(text: string): { readonly value: Json } | { readonly reason: string } {
  try {
    // JSON.parse returns JSON.
    const value = JSON.parse(text) as Json;
    if (isTooDeep(value, MAX_DEPTH)) return { reason: `it nests deeper than ${MAX_DEPTH} levels` };
    return { value };
  } catch {
    return { reason: "it is not JSON" }; // The parser's own message quotes the text.
  }
}

function isTooDeep(value: Json, left: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (left === 0) return true;
  const children: readonly Json[] = Array.isArray(value) ? value : Object.values(value);
  return children.some((child) => isTooDeep(child, left - 1));
}

function copy(value: unknown, location: Location, above: readonly object[]): Json {
  if (typeof value === "string" || typeof value === "boolean" || value === null) return value;
  if (typeof value === "number") {
    if (!Number.isFinite(value)) throw refusal(String(value), location);
    return value === 0 ? 0 : value; // JSON has one zero.
  }
  if (typeof value !== "object") throw refusal(`a ${typeof value}`, location);
  if (above.includes(value)) throw refusal("a reference to an object around it", location);
  if (above.length >= MAX_DEPTH - 1) throw refusal(`more than ${MAX_DEPTH} levels`, location);
  return copyNode(value, location, [...above, value]);
}

function copyNode(value: object, location: Location, above: readonly object[]): Json {
  const kind = kindOf(value);
  if (kind === "date") return dateText(value, location);
  if (kind === "array") return copyList(value as unknown[], location, above);
  if (kind !== "record") throw refusal(`an instance of ${typeName(value)}`, location);
  if (Object.getOwnPropertySymbols(value).length > 0) throw refusal("a symbol key", location);
  const fields = Object.entries(value).flatMap(([key, child]): [string, Json][] =>
    child === undefined ? [] : [[key, copy(child, below(location, `.${key}`), above)]],
  );
  return Object.fromEntries(fields); // Makes own properties, `__proto__` too.
}

function copyList(list: readonly unknown[], location: Location, above: readonly object[]): Json {
  // By index, so that holes are visited.
  return Array.from(list, (child: unknown, index) =>
    copy(child, below(location, `[${index}]`), above),
  );
}

function dateText(value: object, location: Location): string {
  const date = value as Date; // `kindOf` has checked it.
  if (Number.isNaN(date.getTime())) throw refusal("an invalid date", location);
  return date.toISOString();
}

function coerce(value: unknown, location: Location): Json | typeof GONE {
  try {
    const text: string | undefined = JSON.stringify(value);
    const read = text === undefined ? undefined : parseJson(text);
    if (read === undefined) return GONE;
    if ("value" in read) return read.value;
    throw refusal(`a value of which ${read.reason}`, location);
  } catch (cause) {
    if (cause instanceof StateSerializationError) throw cause;
    throw refusal("a value that JSON refuses", location, cause);
  }
}

function below(location: Location, step: string): Location {
  return { path: location.path + step, scope: location.scope };
}

function refusal(reason: string, location: Location, cause?: unknown): StateSerializationError {
  const { path, scope } = location;
  return new StateSerializationError({ path, reason }, { scope, cause });
}
