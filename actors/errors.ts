/**
 * Every failure that the library reports to a caller, one class each. Test `code`, not
 * `instanceof`: each copy of the package and each realm has its own classes, but the same codes.
 */
import {
  ERROR_CODES,
  type ErrorCode,
  HoldfastError,
  type HoldfastErrorOptions,
  scopeLabel,
} from "./holdfast-error.ts";
import { isError } from "./realm.ts";
import type * as runs from "./run-errors.ts";
import type * as stored from "./store-errors.ts";

export { type ErrorCode, HoldfastError, type HoldfastErrorOptions, scopeLabel };
export * from "./run-errors.ts";
export * from "./store-errors.ts";

/** The mutation did not finish in time; it has no effect and will not run later. */
export class ScopeMutationTimeoutError extends HoldfastError {
  readonly timeoutMs: number;
  readonly phase: "queued" | "running";

  constructor(
    fields: { timeoutMs: number; phase: "queued" | "running" },
    options?: HoldfastErrorOptions,
  ) {
    super(
      "SCOPE_MUTATION_TIMEOUT",
      `mutation of ${scopeLabel(options?.scope)} was still ${fields.phase} after ` +
        `${fields.timeoutMs} ms (queue wait plus run); it has no effect`,
      options,
    );
    this.timeoutMs = fields.timeoutMs;
    this.phase = fields.phase;
  }
}

/**
 * A mutator waited for a scope that it keeps busy itself. Or the schema or a listener of a scope
 * called the scope where that is not allowed, or without an end.
 */
export class ReentrantMutationError extends HoldfastError {
  /** The busy scopes, outermost first, then the one called again; `type/id` each. */
  readonly chain: readonly string[];

  /** `how` names the code that called the scope, when that was not its own mutator. */
  constructor(chain: readonly string[], options?: HoldfastErrorOptions, how?: string) {
    const [by, advice] =
      how === undefined
        ? [
            "from inside its own mutator or exclusive section",
            "; return the change from the mutator, or use what the section passes, instead",
          ]
        : [how, ""];
    const way = chain.join(" → ");
    const message = `${scopeLabel(options?.scope)} was mutated ${by} (${way})${advice}`;
    super("REENTRANT_MUTATION", message, options);
    this.chain = chain;
  }
}

/** Calls wait for each other in a circle; the call that closed the circle is refused at once. */
export class DeadlockError extends HoldfastError {
  /** The scopes of the circle, `type/id` each; the first and the last are the one called. */
  readonly chain: readonly string[];

  constructor(chain: readonly string[], options?: HoldfastErrorOptions) {
    super(
      "DEADLOCK",
      `${scopeLabel(options?.scope)} is waited for in a circle (${chain.join(" → ")}); ` +
        "change these scopes in one transaction instead",
      options,
    );
    this.chain = chain;
  }
}

/** The exclusive section is over, or lost its lease at the store; nothing of the call is stored. */
export class ExclusiveLostError extends HoldfastError {
  constructor(why: "over" | "lease", options?: HoldfastErrorOptions) {
    const reason =
      why === "over"
        ? "its exclusive section is over; await all work on it inside the section"
        : "its exclusive section lost the lease at the store; others may have written since";
    super("EXCLUSIVE_LOST", `${scopeLabel(options?.scope)}: ${reason}`, options);
  }
}

/** Too many mutations are waiting. */
export class MailboxFullError extends HoldfastError {
  readonly limit: number;

  constructor(limit: number, options?: HoldfastErrorOptions) {
    super(
      "MAILBOX_FULL",
      `${scopeLabel(options?.scope)} already has ${limit} mutations waiting; ` +
        "slow the caller down or raise mailboxLimit",
      options,
    );
    this.limit = limit;
  }
}

/** The scope was stopped before the mutation could commit. */
export class ScopeStoppedError extends HoldfastError {
  constructor(options?: HoldfastErrorOptions) {
    const message = `${scopeLabel(options?.scope)} is stopped, or its runtime was closed`;
    super("SCOPE_STOPPED", message, options);
  }
}

/** The operation does not fit the type of the stored value; nothing was changed. */
export class StateTypeError extends HoldfastError {
  readonly path: string;
  readonly expected: string;
  readonly received: string;

  constructor(
    fields: { path: string; expected: string; received: string },
    options?: HoldfastErrorOptions,
  ) {
    super(
      "STATE_TYPE",
      `${scopeLabel(options?.scope)}: expected ${fields.expected} at "${fields.path}", ` +
        `received ${fields.received}`,
      options,
    );
    this.path = fields.path;
    this.expected = fields.expected;
    this.received = fields.received;
  }
}

/** A value cannot be stored and read back equal; nothing was changed. */
export class StateSerializationError extends HoldfastError {
  readonly path: string;

  constructor(fields: { path: string; reason: string }, options?: HoldfastErrorOptions) {
    super(
      "STATE_NOT_SERIALIZABLE",
      `${scopeLabel(options?.scope)}: ${fields.reason} at "${fields.path}" cannot be stored`,
      options,
    );
    this.path = fields.path;
  }
}

/** One issue that a schema reports. */
export interface ValidationIssue {
  readonly message: string;
  readonly path?: readonly PropertyKey[];
}

/** A new state, or another value with a schema, does not fit it; nothing was changed. */
export class StateValidationError extends HoldfastError {
  readonly issues: readonly ValidationIssue[];

  /** `what` names the value in the message. */
  constructor(
    issues: readonly ValidationIssue[],
    options?: HoldfastErrorOptions,
    what: string = "state",
  ) {
    const first = issues[0];
    const where = first?.path === undefined ? "" : ` at "${first.path.map(String).join(".")}"`;
    super(
      "STATE_INVALID",
      `${scopeLabel(options?.scope)}: ${what} does not fit its schema${where}: ` +
        (first?.message ?? "no reason given"),
      options,
    );
    this.issues = issues;
  }
}

/** The new state is larger than `hardLimitBytes`; nothing was changed. */
export class StateTooLargeError extends HoldfastError {
  readonly sizeBytes: number;
  readonly limitBytes: number;

  constructor(fields: { sizeBytes: number; limitBytes: number }, options?: HoldfastErrorOptions) {
    super(
      "STATE_TOO_LARGE",
      `${scopeLabel(options?.scope)} would be ${fields.sizeBytes} bytes, ` +
        `over its limit of ${fields.limitBytes}`,
      options,
    );
    this.sizeBytes = fields.sizeBytes;
    this.limitBytes = fields.limitBytes;
  }
}

/** The state of a conversation turn was used after the turn had ended. */
export class StateSealedError extends HoldfastError {
  constructor(options?: HoldfastErrorOptions) {
    super("STATE_SEALED", "this state belongs to a turn that has ended; open a new turn", options);
  }
}

/** The runtime is closed, or is closing. */
export class RuntimeClosedError extends HoldfastError {
  constructor(options?: HoldfastErrorOptions) {
    super("RUNTIME_CLOSED", "the runtime is closed; make a new one", options);
  }
}

/** The session belongs to another user or organisation. */
export class BindingMismatchError extends HoldfastError {
  constructor(message: string, options?: HoldfastErrorOptions) {
    super("BINDING_MISMATCH", message, options);
  }
}

/** The class of each code. */
export interface ErrorClasses {
  readonly CONCURRENT_MODIFICATION: stored.ConcurrentModificationError;
  readonly SCOPE_MUTATION_TIMEOUT: ScopeMutationTimeoutError;
  readonly REENTRANT_MUTATION: ReentrantMutationError;
  readonly MAILBOX_FULL: MailboxFullError;
  readonly SCOPE_STOPPED: ScopeStoppedError;
  readonly STATE_TYPE: StateTypeError;
  readonly STATE_NOT_SERIALIZABLE: StateSerializationError;
  readonly STATE_INVALID: StateValidationError;
  readonly STATE_TOO_LARGE: StateTooLargeError;
  readonly STATE_VERSION: stored.StateVersionError;
  readonly COMMIT_UNKNOWN: stored.CommitUnknownError;
  readonly STORE_CONTRACT: stored.StoreContractError;
  readonly STATE_SEALED: StateSealedError;
  readonly EXCLUSIVE_LOST: ExclusiveLostError;
  readonly CORRUPT_STATE: stored.CorruptStateError;
  readonly STORE_CLOSED: stored.StoreClosedError;
  readonly STORE_UNAVAILABLE: stored.StoreUnavailableError;
  readonly RUN_LEASED: runs.RunLeasedError;
  readonly BINDING_MISMATCH: BindingMismatchError;
  readonly DEADLOCK: DeadlockError;
  readonly RUNTIME_CLOSED: RuntimeClosedError;
  readonly SEQUENCER_CHANGED: runs.SequencerChangedError;
  readonly SUSPENSION_MISMATCH: runs.SuspensionMismatchError;
  readonly SUSPENSION_TIMEOUT: runs.SuspensionTimeoutError;
  readonly STEP_TIMEOUT: runs.StepTimeoutError;
  readonly RUN_CANCELLED: runs.RunCancelledError;
  readonly RUN_NOT_FOUND: runs.RunNotFoundError;
  readonly RUN_ABANDONED: runs.RunAbandonedError;
  readonly SCOPE_EXISTS: stored.ScopeExistsError;
  readonly HISTORY_GONE: stored.HistoryGoneError;
}

/** An error of a code: its class when one code is known. */
export type ErrorOf<Code extends ErrorCode> = ErrorCode extends Code
  ? HoldfastError
  : { [C in Code]: ErrorClasses[C] & { readonly code: C } }[Code];

/**
 * True for an error of this library, also when another copy of the package made it; with `code`,
 * for one of that code, which has the fields of its class.
 */
export function isHoldfastError<Code extends ErrorCode = ErrorCode>(
  error: unknown,
  code?: Code,
): error is ErrorOf<Code> {
  if (!isError(error)) return false;
  try {
    if (!("code" in error)) return false;
    const { code: found } = error;
    return code === undefined ? ERROR_CODES.some((known) => known === found) : found === code;
  } catch {
    return false; // A field of a user's error is a getter that throws.
  }
}
