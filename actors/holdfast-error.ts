/**
 * The base of every error of the library: a code to test, a message to read, a scope.
 */
import type { ScopeIdentity } from "./protocol.ts";

/** The codes of all classes. */
export const ERROR_CODES = [
  "CONCURRENT_MODIFICATION",
  "SCOPE_MUTATION_TIMEOUT",
  "REENTRANT_MUTATION",
  "MAILBOX_FULL",
  "SCOPE_STOPPED",
  "STATE_TYPE",
  "STATE_NOT_SERIALIZABLE",
  "STATE_INVALID",
  "STATE_TOO_LARGE",
  "STATE_VERSION",
  "COMMIT_UNKNOWN",
  "STORE_CONTRACT",
  "STATE_SEALED",
  "CORRUPT_STATE",
  "STORE_CLOSED",
  "STORE_UNAVAILABLE",
  "RUN_LEASED",
  "BINDING_MISMATCH",
  "DEADLOCK",
  "EXCLUSIVE_LOST",
  "RUNTIME_CLOSED",
  "SEQUENCER_CHANGED",
  "SUSPENSION_MISMATCH",
  "SUSPENSION_TIMEOUT",
  "STEP_TIMEOUT",
  "RUN_CANCELLED",
  "RUN_NOT_FOUND",
  "RUN_ABANDONED",
  "HISTORY_GONE",
  "SCOPE_EXISTS",
] as const;

/** Names a failure. */
export type ErrorCode = (typeof ERROR_CODES)[number];

/** Options that every error of the library takes. */
export interface HoldfastErrorOptions extends ErrorOptions {
  readonly scope?: ScopeIdentity | undefined;
}

/** Base of all errors; each throw makes a new object. */
export class HoldfastError extends Error {
  readonly code: ErrorCode;
  readonly scope?: ScopeIdentity;

  constructor(code: ErrorCode, message: string, options: HoldfastErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    if (options.scope !== undefined) this.scope = options.scope;
  }

  /** Where the cause and the cure are described: a page of this package and its heading. */
  get help(): string {
    return `docs/errors.md#${this.code.toLowerCase()}`;
  }
}

/** Names a scope in a message. */
export function scopeLabel(scope: ScopeIdentity | undefined): string {
  return scope === undefined ? "scope" : `scope ${scope.type}/${scope.id}`;
}
