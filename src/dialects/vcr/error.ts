/** The errors of a state: one error class, and the texts of Redis for each case. */
import type { ErrorCode } from "../../../actors/errors.ts";
import type { SearchErrorCode } from "./search/search-error.ts";

/** Names the reason of a `VcrStateError`. */
export type VcrStateErrorCode =
  | "WRONGTYPE"
  | "NOT_INTEGER"
  | "HASH_NOT_INTEGER"
  | "OVERFLOW"
  | "OUT_OF_RANGE"
  | "NO_SUCH_KEY"
  | "NEGATIVE_COUNT"
  | "ARITY"
  | "SYNTAX"
  | "BAD_CURSOR"
  | "BAD_EXPIRE"
  | "NOT_SERIALIZABLE"
  | "BAD_KEY"
  | "BAD_SESSION"
  | "SESSION_ENDED"
  | "INDEX_EXISTS"
  | "NO_SUCH_INDEX"
  | "NOT_SUPPORTED"
  | "REDIS"
  | SearchErrorCode
  | ErrorCode;

/** The method and the key of a failed operation. */
export interface VcrErrorSource {
  /** The method's name. */
  readonly op: string;
  /** The key, list, table or index as the caller wrote it. */
  readonly key: string;
}

/** The only error a state throws; the message is Redis' own text where Redis has one. */
export class VcrStateError extends Error {
  readonly code: VcrStateErrorCode;
  readonly op: string;
  readonly key: string;
  /** The position of the fault in a query or index filter, in UTF-16 units. */
  readonly offset?: number;

  constructor(reason: Failure, source: VcrErrorSource) {
    super(reason.message, reason.cause === undefined ? undefined : { cause: reason.cause });
    this.name = "VcrStateError";
    this.code = reason.code;
    this.op = source.op;
    this.key = source.key;
    if (reason.offset !== undefined) this.offset = reason.offset;
  }
}

/** A failure below the methods, where the method's name is not known. */
export class Failure extends Error {
  readonly code: VcrStateErrorCode;
  readonly offset: number | undefined;

  constructor(
    code: VcrStateErrorCode,
    message: string,
    options: { readonly cause?: unknown; readonly offset?: number | undefined } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "Failure";
    this.code = code;
    this.offset = options.offset;
  }
}

/** The failures of plain commands, each with the text of Redis 7. */
const TEXTS = {
  WRONGTYPE: "WRONGTYPE Operation against a key holding the wrong kind of value",
  NOT_INTEGER: "ERR value is not an integer or out of range",
  HASH_NOT_INTEGER: "ERR hash value is not an integer",
  OVERFLOW: "ERR increment or decrement would overflow",
  OUT_OF_RANGE: "ERR index out of range",
  NO_SUCH_KEY: "ERR no such key",
  NEGATIVE_COUNT: "ERR value is out of range, must be positive",
  BAD_CURSOR: "ERR invalid cursor",
  BAD_EXPIRE: "ERR invalid expire time in 'expire' command",
} as const;

/** Makes the failure of a code with one fixed text. */
export function failure(code: keyof typeof TEXTS): Failure {
  return new Failure(code, TEXTS[code]);
}

const CODES: readonly (readonly [RegExp, VcrStateErrorCode])[] = [
  [/^WRONGTYPE/, "WRONGTYPE"],
  [/^ERR value is not an integer/, "NOT_INTEGER"],
  [/^ERR hash value is not an integer/, "HASH_NOT_INTEGER"],
  [/would overflow/, "OVERFLOW"],
  [/^ERR index out of range/, "OUT_OF_RANGE"],
  [/^ERR no such key/, "NO_SUCH_KEY"],
  [/must be positive/, "NEGATIVE_COUNT"],
  [/^ERR wrong number of arguments/, "ARITY"],
  [/^ERR invalid cursor/, "BAD_CURSOR"],
  [/^ERR invalid expire/, "BAD_EXPIRE"],
  [/^ERR (?:Unsupported option|syntax error)/, "SYNTAX"],
  [/Index already exists/i, "INDEX_EXISTS"],
  [/no such index|Unknown Index name/i, "NO_SUCH_INDEX"],
  [/syntax error/i, "SYNTAX"],
];

/** The failure for an error reply of a server. The tail that a script adds is removed. */
export function replyFailure(message: string, cause: unknown): Failure {
  const code = CODES.find(([pattern]) => pattern.test(message))?.[1] ?? "REDIS";
  if (code === "WRONGTYPE") return failure(code);
  const offset = /at offset (?<at>\d+)/.exec(message)?.groups?.["at"];
  return new Failure(code, message.replace(/ script: .*$/s, ""), {
    cause,
    offset: offset === undefined ? undefined : Number(offset),
  });
}
