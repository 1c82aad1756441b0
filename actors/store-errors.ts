/**
 * The failures of stores and of the records in them, one class each; see `errors.ts`.
 */
import { HoldfastError, type HoldfastErrorOptions, scopeLabel } from "./holdfast-error.ts";

/** All attempts of a save met a newer version. Nothing was changed; the caller may try again. */
export class ConcurrentModificationError extends HoldfastError {
  readonly attempts: number;
  readonly expectedVersion: number;
  readonly actualVersion: number;

  constructor(
    fields: { attempts: number; expectedVersion: number; actualVersion: number },
    options?: HoldfastErrorOptions,
  ) {
    super(
      "CONCURRENT_MODIFICATION",
      `${scopeLabel(options?.scope)} was changed by another writer in each of ` +
        `${fields.attempts} attempts (expected version ${fields.expectedVersion}, ` +
        `found ${fields.actualVersion}); nothing was saved`,
      options,
    );
    this.attempts = fields.attempts;
    this.expectedVersion = fields.expectedVersion;
    this.actualVersion = fields.actualVersion;
  }
}

/** The save was sent and its outcome is unknown; the scope reads the store before it continues. */
export class CommitUnknownError extends HoldfastError {
  constructor(options?: HoldfastErrorOptions) {
    super(
      "COMMIT_UNKNOWN",
      `${scopeLabel(options?.scope)}: the save was sent but its outcome is unknown; ` +
        "read the state before repeating the change",
      options,
    );
  }
}

/** A store or bridge broke its contract. */
export class StoreContractError extends HoldfastError {
  readonly expected: unknown;
  readonly received: unknown;

  constructor(fields: { expected: unknown; received: unknown }, options?: HoldfastErrorOptions) {
    super(
      "STORE_CONTRACT",
      `${scopeLabel(options?.scope)}: the store should have returned ` +
        `${String(fields.expected)} and returned ${String(fields.received)}`,
      options,
    );
    this.expected = fields.expected;
    this.received = fields.received;
  }
}

/** Stored bytes cannot be read; they are kept in their location, or moved to `location`. */
export class CorruptStateError extends HoldfastError {
  readonly location: string;
  /** What is wrong with the bytes. */
  readonly reason: string;

  constructor(fields: { location: string; reason: string }, options?: HoldfastErrorOptions) {
    super(
      "CORRUPT_STATE",
      `${scopeLabel(options?.scope)}: stored data at ${fields.location} is damaged ` +
        `(${fields.reason}); it was not overwritten`,
      options,
    );
    this.location = fields.location;
    this.reason = fields.reason;
  }
}

/**
 * A record was stored by a newer version of its kind, or its state cannot be lifted to the version
 * that this program knows. The record was not changed.
 */
export class StateVersionError extends HoldfastError {
  /** The version of the kind that stored the record. */
  readonly stored: number;
  /** The version of the kind in this program. */
  readonly known: number;

  /** `reason` is why the state could not be lifted; without it the record is newer. */
  constructor(
    fields: { stored: number; known: number },
    options?: HoldfastErrorOptions,
    reason: string = "start a newer program",
  ) {
    super(
      "STATE_VERSION",
      `${scopeLabel(options?.scope)} is stored with version ${fields.stored} of its kind, and ` +
        `this program knows version ${fields.known}: ${reason}; nothing was changed`,
      options,
    );
    this.stored = fields.stored;
    this.known = fields.known;
  }
}

/** The store is closed. */
export class StoreClosedError extends HoldfastError {
  constructor(store: string, options?: HoldfastErrorOptions) {
    super("STORE_CLOSED", `the ${store} store is closed`, options);
  }
}

/** The store cannot be used; the message and `cause` say what failed and what to do. */
export class StoreUnavailableError extends HoldfastError {
  constructor(message: string, options?: HoldfastErrorOptions) {
    super("STORE_UNAVAILABLE", message, options);
  }
}

/** A scope of that id exists; it was not changed. */
export class ScopeExistsError extends HoldfastError {
  constructor(options?: HoldfastErrorOptions) {
    super("SCOPE_EXISTS", `${scopeLabel(options?.scope)} exists; choose another id`, options);
  }
}

/** The state asked for is no longer kept, or never was. */
export class HistoryGoneError extends HoldfastError {
  /** The oldest version whose state can be read. */
  readonly oldest: number;

  constructor({ oldest }: { oldest: number }, options?: HoldfastErrorOptions) {
    super("HISTORY_GONE", `the history of the scope begins at version ${oldest}`, options);
    this.oldest = oldest;
  }
}
