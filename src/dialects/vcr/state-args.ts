/** The arguments of single methods, checked. */
import { refuseUnknown } from "../../../actors/scope/options.ts";
import { checkName, encodeField, numberText } from "./encode.ts";
import { Failure } from "./error.ts";

/** How `set` treats the time to live. */
export interface SetOptions {
  /** Seconds until the key expires; more than 0. */
  readonly ttl?: number | undefined;
  /** Keeps the present time to live. */
  readonly keepTtl?: boolean | undefined;
}

/**
 * Throws `BAD_EXPIRE` for a bad time, `SYNTAX` for both options at once and `TypeError` for an
 * unknown one.
 */
export function setArgs(options: SetOptions = {}): string[] {
  refuseUnknown("set", options, ["ttl", "keepTtl"]);
  const { ttl, keepTtl } = options;
  if (ttl === undefined) return keepTtl === true ? ["KEEPTTL"] : [];
  if (keepTtl === true) throw new Failure("SYNTAX", "ERR syntax error: ttl or keepTtl, not both");
  const ms = typeof ttl === "number" ? Math.ceil(ttl * 1_000) : Number.NaN;
  if (!(ms > 0) || !Number.isSafeInteger(ms))
    throw new Failure("BAD_EXPIRE", "ERR invalid expire time in 'set' command");
  return ["PX", String(ms)];
}

/** Throws `SYNTAX` for an option that is not a text. */
export function expireArgs(seconds: unknown, option: unknown): string[] {
  if (option === undefined || option === null) return [numberText(seconds)];
  if (typeof option === "string" && option !== "") return [numberText(seconds), option];
  throw new Failure("SYNTAX", `ERR Unsupported option ${typeof option}`);
}

/** Throws `ARITY` without fields, `NOT_SERIALIZABLE` for a value that a map cannot store. */
export function fieldArgs(fields: unknown): string[] {
  if (typeof fields !== "object" || fields === null || Array.isArray(fields))
    throw new Failure("NOT_SERIALIZABLE", "a map is set from an object with its fields");
  const args = Object.entries(fields).flatMap(([name, value]: [string, unknown]) => [
    checkName(name, "a field"),
    encodeField(value),
  ]);
  if (args.length > 0) return args;
  throw new Failure("ARITY", "ERR wrong number of arguments for 'hset' command");
}

/** Throws `SYNTAX` for a count of 0 or less, `NOT_INTEGER` for another bad one. */
export function scanArgs(cursor: unknown, pattern: unknown, count: unknown): string[] {
  const args = [typeof cursor === "number" ? numberText(cursor) : checkName(cursor, "a cursor")];
  if (pattern !== undefined && pattern !== null)
    args.push("MATCH", checkName(pattern, "a pattern"));
  if (count === undefined || count === null) return args;
  if (typeof count === "number" && count <= 0)
    throw new Failure("SYNTAX", "mapScan: count must be greater than 0");
  if (!Number.isSafeInteger(count))
    throw new Failure("NOT_INTEGER", "ERR value is not an integer or out of range");
  return [...args, "COUNT", numberText(count)];
}
