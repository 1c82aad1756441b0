/**
 * Checks of what a value is, for values of any realm.
 *
 * A test runner that runs code in a `vm` context gives it its own built-ins. Errors of the platform
 * and values from other code are made with the built-ins of the main realm. `instanceof` of a
 * built-in is false across realms; these checks are not.
 *
 *  L1  No check throws, for any value.
 */
import { types } from "node:util";

type NativeError = "Error" | "TypeError" | "RangeError" | "AggregateError";

/** True for an error of the platform, and for an object that inherits from an error prototype. */
export function isError(value: unknown): value is Error {
  return types.isNativeError(value) || inherits(value, "Error");
}

/** True for a `TypeError` or `RangeError`; wrong use of the library is reported as these. */
export function isMisuse(value: unknown): value is TypeError | RangeError {
  return inherits(value, "TypeError") || inherits(value, "RangeError");
}

/** True for a `TypeError`. */
export function isTypeError(value: unknown): value is TypeError {
  return inherits(value, "TypeError");
}

/** True for an `AggregateError`. */
export function isAggregateError(value: unknown): value is AggregateError {
  return inherits(value, "AggregateError");
}

/** True when `value` inherits from the error class `name` of any realm. */
function inherits(value: unknown, name: NativeError): boolean {
  if (typeof value !== "object" || value === null) return false;
  try {
    let prototype: unknown = Object.getPrototypeOf(value);
    while (typeof prototype === "object" && prototype !== null) {
      if (isPrototypeOf(prototype, name)) return true;
      prototype = Object.getPrototypeOf(prototype);
    }
  } catch {
    // A proxy that throws when it is read is no error of the platform.
  }
  return false;
}

/** The prototypes of the error classes own a name and an empty message; no instance has both so. */
function isPrototypeOf(prototype: object, name: NativeError): boolean {
  const own = Object.getOwnPropertyDescriptors(prototype);
  return own["name"]?.value === name && own["message"]?.value === "" && "constructor" in own;
}
