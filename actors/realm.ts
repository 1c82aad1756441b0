/**
 * What a value is, whichever realm made it.
 *
 * A test runner that runs code in a `vm` context gives it built-ins of its own, while the errors
 * of the platform and what other code hands over are made with those of the main realm.
 * `instanceof` of a built-in is false across that line; these checks are not.
 *
 *  L1  No check throws, whatever it is given.
 */
import { types } from "node:util";

type NativeError = "Error" | "TypeError" | "RangeError" | "AggregateError";

/** True for an error: one the platform made, or an object that inherits from one's prototype. */
export function isError(value: unknown): value is Error {
  return types.isNativeError(value) || inherits(value, "Error");
}

/** True for a `TypeError` or `RangeError`, as which wrong use is reported. */
export function isMisuse(value: unknown): value is TypeError | RangeError {
  return inherits(value, "TypeError") || inherits(value, "RangeError");
}

/** True for a `TypeError`. */
export function isTypeError(value: unknown): value is TypeError {
  return inherits(value, "TypeError");
}

/** True for an error that stands for several. */
export function isAggregateError(value: unknown): value is AggregateError {
  return inherits(value, "AggregateError");
}

/** True when the prototype of the error class `name` of any realm stands above `value`. */
function inherits(value: unknown, name: NativeError): boolean {
  if (typeof value !== "object" || value === null) return false;
  try {
    let prototype: unknown = Object.getPrototypeOf(value);
    while (typeof prototype === "object" && prototype !== null) {
      if (isPrototypeOf(prototype, name)) return true;
      prototype = Object.getPrototypeOf(prototype);
    }
  } catch {
    // A proxy that refuses to be looked at is no error of the platform.
  }
  return false;
}

/** The prototypes of the error classes own a name and an empty message; no instance has both so. */
function isPrototypeOf(prototype: object, name: NativeError): boolean {
  const own = Object.getOwnPropertyDescriptors(prototype);
  return own["name"]?.value === name && own["message"]?.value === "" && "constructor" in own;
}
