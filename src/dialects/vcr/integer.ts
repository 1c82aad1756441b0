/** Whole numbers of 64 bits, exact, in the one spelling Redis takes. */
import { failure, Failure } from "./error.ts";

const CANONICAL = /^(?:0|-?[1-9][0-9]{0,18})$/;
const MAX = 2n ** 63n - 1n;
const MIN = -(2n ** 63n);

/** Reads a number; `undefined` when the text is not a whole number or has more than 64 bits. */
export function readInteger(text: string): bigint | undefined {
  if (!CANONICAL.test(text)) return undefined;
  const value = BigInt(text);
  return value > MAX || value < MIN ? undefined : value;
}

/** Reads an argument; throws `NOT_INTEGER`. */
export function integerArg(text: string | undefined): bigint {
  const value = readInteger(text ?? "");
  if (value === undefined) throw failure("NOT_INTEGER");
  return value;
}

/** Reads a list index; throws `NOT_INTEGER`. An index outside every list may be rounded. */
export function indexArg(text: string | undefined): number {
  return Number(integerArg(text));
}

/** Reads a count of 0 or more; throws `NEGATIVE_COUNT`. */
export function countArg(text: string | undefined): number {
  const value = readInteger(text ?? "");
  if (value === undefined || value < 0n) throw failure("NEGATIVE_COUNT");
  return Number(value);
}

/** Adds; throws `OVERFLOW`. */
export function addExact(left: bigint, right: bigint): bigint {
  const sum = left + right;
  if (sum > MAX || sum < MIN) throw failure("OVERFLOW");
  return sum;
}

/** The number to add in order to subtract `value`; throws `OVERFLOW` for the lowest one. */
export function negate(value: bigint): bigint {
  if (value === MIN) throw new Failure("OVERFLOW", "ERR decrement would overflow");
  return -value;
}
