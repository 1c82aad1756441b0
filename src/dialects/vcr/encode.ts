/**
 * Encoding and decoding of values: JSON text for values, plain text for map fields. Both are
 * checked, so that no data is lost silently.
 */
import { types } from "node:util";
import { isError } from "../../../actors/realm.ts";
import { Failure } from "./error.ts";

/** An unpaired surrogate, which UTF-8 cannot represent. */
const HALF = /\p{Surrogate}/u;

/** The maximum length of a key with its scope prefix, in characters. */
export const KEY_LENGTH_MAX = 4_000;

/**
 * The JSON text of a value. Throws `NOT_SERIALIZABLE` for everything that JSON would lose:
 * undefined, functions, symbols, NaN and infinite numbers, bigints, maps, sets, bytes, cycles. A
 * property that is undefined is omitted, a Date becomes its ISO text.
 */
export function encodeValue(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  let text: string | undefined;
  try {
    text = JSON.stringify(value, checkMember);
  } catch (cause) {
    if (cause instanceof Failure) throw cause;
    throw new Failure("NOT_SERIALIZABLE", "a value cannot be stored: it is not JSON", { cause });
  }
  if (text === undefined) throw refusal(typeof value);
  return text;
}

/** A replacer that changes nothing: `this` contains the member before its `toJSON`. */
function checkMember(this: unknown, key: string, value: unknown): unknown {
  if (value === undefined) {
    // An omitted property reads as undefined again; in an array it would become null.
    if (key !== "" && !Array.isArray(this)) return value;
    throw refusal("undefined");
  }
  if (typeof value === "number" && !Number.isFinite(value)) throw refusal(String(value));
  refuseHidden(this, key, value);
  if (typeof value === "function" || typeof value === "symbol" || typeof value === "bigint")
    throw refusal(`a ${typeof value}`);
  if (typeof value === "object" && isLossy(value)) throw refusal(`a ${nameOf(value)}`);
  return value;
}

/** Rejects what `toJSON` hides: an invalid Date becomes null, a Buffer an object of numbers. */
function refuseHidden(holder: unknown, key: string, value: unknown): void {
  if (typeof value !== "object" || typeof holder !== "object" || holder === null) return;
  if (!Object.hasOwn(holder, key)) return;
  // The key is an own key of the holder, so the holder can be read as a record.
  const member = (holder as Readonly<Record<string, unknown>>)[key];
  if (value === null && types.isDate(member)) throw refusal("an invalid Date");
  if (ArrayBuffer.isView(member)) throw refusal(`a ${nameOf(member)}`);
}

const LOSSY: readonly ((value: object) => boolean)[] = [
  types.isMap,
  types.isSet,
  types.isWeakMap,
  types.isWeakSet,
  types.isPromise,
  types.isRegExp,
  types.isArrayBuffer,
  isError,
];

/** True for objects whose content JSON omits. */
function isLossy(value: object | null): boolean {
  if (value === null) return false;
  return ArrayBuffer.isView(value) || LOSSY.some((isKind) => isKind(value));
}

function nameOf(value: object | null): string {
  return value?.constructor.name ?? "null";
}

function refusal(what: string): Failure {
  return new Failure("NOT_SERIALIZABLE", `a value cannot be stored: ${what} is not JSON`);
}

/** The value of a JSON text, a new one at each call. */
export function decodeValue(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Failure("CORRUPT_STATE", "the stored value is not JSON; it was not changed", {
      cause,
    });
  }
}

/** The text of a map's value: texts are unchanged, numbers and booleans are converted. */
export function encodeField(value: unknown): string {
  if (typeof value === "string") {
    if (HALF.test(value)) throw refusal("a text with half a character");
    return value;
  }
  const isScalar =
    typeof value === "boolean" || typeof value === "bigint" || Number.isFinite(value);
  if (isScalar) return String(value);
  const what = value === null ? "null" : typeof value;
  throw new Failure("NOT_SERIALIZABLE", `a map holds texts and numbers, received ${what}`);
}

/** Checks a key, a table's or list's name, or a field's name; throws `BAD_KEY`. */
export function checkName(name: unknown, what: string): string {
  if (typeof name !== "string")
    throw new Failure("BAD_KEY", `${what} must be a string, received ${typeof name}`);
  if (HALF.test(name)) throw new Failure("BAD_KEY", `${what} has half a character`);
  return name;
}

/** Checks a list of field names; throws `BAD_KEY`. */
export function checkNames(names: unknown, what: string): string[] {
  if (!Array.isArray(names)) throw new Failure("BAD_KEY", `${what} must be an array of strings`);
  return names.map((name: unknown) => checkName(name, `each of ${what}`));
}

/** The text of a number argument: exact for bigints and digits, else as in JSON. */
export function numberText(value: unknown): string {
  if (typeof value === "bigint") return value.toString();
  if (typeof value === "string") return value;
  return typeof value === "number" && Number.isFinite(value) ? JSON.stringify(value) : "";
}
