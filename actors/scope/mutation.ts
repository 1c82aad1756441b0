/**
 * What a mutation is to the kernel: user code to run in the turn (or none) and a write to do with
 * its result. The kernel runs mutations without knowing which operation made them.
 *
 * Invariants
 *  U1  `compute` may run several times (after a conflict, or when a caller in the same round left),
 *      so it must depend on its arguments only. Nothing it returns is kept by reference.
 *  U2  `write` is synchronous and, by A1, writes completely or throws.
 */
import type { DraftState } from "../state/draft-state.ts";
import type { MutationContext, OperationName } from "../protocol.ts";

/** One requested change. */
export interface Mutation {
  readonly operation: OperationName;
  /** Its result is verified at the store also where results that write nothing are not. */
  readonly verifies?: true;
  /** The caller's function, given the frozen state; absent when the mutation is plain data. */
  compute?(state: object, turn: MutationContext): unknown;
  /** Writes the change; `computed` is what `compute` gave (awaited). */
  write(draft: DraftState, computed: unknown): void;
  /** The event's `path`, when the operation has one. */
  path?(): string;
  /** The event's `delta`, when the operation has one; called after `write`. */
  delta?(computed: unknown): unknown;
}

/** Changes nothing: once it resolves, the state of the scope is one that was current meanwhile. */
export const READ: Mutation = Object.freeze({
  operation: "refresh",
  verifies: true,
  write: () => undefined,
});

/** True for promises and everything that behaves like one. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === "object" &&
    value !== null &&
    "then" in value &&
    typeof value.then === "function"
  );
}
