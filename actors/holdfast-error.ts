/**
 * What every error of the library is: a code to test, a message to read, the scope it is about.
 */
import type { ScopeIdentity } from "./protocol.ts";
import { isError } from "./realm.ts";

const CODES = [
  "CONCURRENT_MODIFICATION",
  "SCOPE_MUTATION_TIMEOUT",
  "REENTRANT_MUTATION",
  "MAILBOX_FULL",
  "SCOPE_STOPPED",
  "STATE_TYPE",
  "STATE_NOT_SERIALIZABLE",
  "STATE_INVALID",
  "STATE_TOO_LARGE",
  "COMMIT_UNKNOWN",
  "STORE_CONTRACT",
  "STATE_SEALED",
  "CORRUPT_STATE",
  "STORE_CLOSED",
  "STORE_UNAVAILABLE",
  "RUN_LEASED",
  "BINDING_MISMATCH",
  "DEADLOCK",
  "RUNTIME_CLOSED",
  "SEQUENCER_CHANGED",
  "SUSPENSION_MISMATCH",
] as const;

/** Names a failure. */
export type ErrorCode = (typeof CODES)[number];

/** What every error of the library may have. */
export interface HoldfastErrorOptions extends ErrorOptions {
  readonly scope?: ScopeIdentity | undefined;
}

/** Base of all errors; a fresh object per throw. */
export class HoldfastError extends Error {
  readonly code: ErrorCode;
  readonly scope?: ScopeIdentity;

  constructor(code: ErrorCode, message: string, options: HoldfastErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    if (options.scope !== undefined) this.scope = options.scope;
  }
}

/** True for an error of this library, whichever copy of it made the error. */
export function isHoldfastError(error: unknown, code?: ErrorCode): error is HoldfastError {
  if (!isError(error) || !("code" in error)) return false;
  return code === undefined ? CODES.some((known) => known === error.code) : error.code === code;
}

/** Names a scope in a message. */
export function scopeLabel(scope: ScopeIdentity | undefined): string {
  return scope === undefined ? "scope" : `scope ${scope.type}/${scope.id}`;
}
