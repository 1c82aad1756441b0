/**
 * A mutation as the kernel sees it: optional user code to run, and a write of its result. The
 * kernel runs mutations without knowing which operation made them.
 *
 * Invariants
 *  U1  `compute` may run several times (after a conflict, or when a call of the same batch was
 *      cancelled), so it must depend on its arguments only. Its result is not kept by reference.
 *  U2  `write` is synchronous and, by A1, writes completely or throws.
 *  U3  `answer` depends on the last `settle`: that of the run which was saved.
 */
import type { DraftState } from "../state/draft-state.ts";
import type { JsonObject, MutationContext, OperationName } from "../protocol.ts";

/** One requested change. */
export interface Mutation {
  readonly operation: OperationName;
  /** A result without a write is verified at the store, whatever the scope's default is. */
  readonly verifies?: true;
  /**
   * It runs on a confirmed state, so that the scope's version is that of the state: what was
   * called before is saved first.
   */
  readonly first?: true;
  /** The caller's function; receives the frozen state. Absent for plain data. */
  compute?(state: object, context: MutationContext): unknown;
  /**
   * Writes the change; `computed` is the awaited result of `compute`, `version` that of the draft
   * with all changes before this one. It is absent when a change that resolved is made again.
   */
  write(draft: DraftState, computed: unknown, version?: number): void;
  /** Called after `write` and the checks, on the draft to be saved; a throw undoes the write. */
  settle?(draft: DraftState, computed: unknown): void;
  /** What the call resolves to; without it, whether the state changed. */
  answer?(changed: boolean): unknown;
  /** What a history keeps beside the change; called when it is saved, after the last `write`. */
  historyNote?(): JsonObject | undefined;
  /** The event's `path`, when the operation has one. */
  path?(): string;
  /** The event's `delta`, when the operation has one; called after `write`. */
  delta?(computed: unknown): unknown;
}

/** Changes nothing: it resolves with a scope state that was current during the call. */
export const READ: Mutation = Object.freeze({
  operation: "refresh",
  verifies: true,
  write: () => undefined,
});

/** True for promises and other objects with a `then` method. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === "object" &&
    value !== null &&
    "then" in value &&
    typeof value.then === "function"
  );
}

/** Calls `next` with a value: at once, or when a promise or another object with `then` resolves. */
export function whenDone<T>(value: unknown, next: (value: unknown) => T): T | Promise<T> {
  return isThenable(value) ? Promise.resolve(value).then(next) : next(value);
}
