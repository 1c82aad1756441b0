/**
 * The base of a mutation around another one: what a wrapper does not define is that of the other.
 *
 * Invariants
 *  W1  Every part of a mutation that a wrapper does not define is passed on.
 *  W2  A part that the inner mutation does not have is absent, as the kernel asks for that: so is
 *      `compute`. Only what a wrapper defines as a method of its own is always there.
 */
import type { DraftState } from "../state/draft-state.ts";
import type { Mutation } from "./mutation.ts";
import { optionNames } from "./options.ts";
import type { MutationContext, OperationName } from "../protocol.ts";

/** The compiler refuses a list that lacks a part (W1). */
const PARTS = optionNames<Omit<Mutation, "operation" | "write">>({
  verifies: true,
  first: true,
  compute: true,
  settle: true,
  answer: true,
  historyNote: true,
  path: true,
  delta: true,
});

/** A mutation around `inner`; see the head of this file. */
export class WrappedMutation implements Mutation {
  readonly operation: OperationName;
  protected readonly inner: Mutation;

  constructor(inner: Mutation) {
    this.operation = inner.operation;
    this.inner = inner;
    for (const name of PARTS) {
      const part: unknown = Reflect.get(inner, name);
      if (part === undefined || name in this) continue;
      if (name === "compute") Reflect.set(this, name, this.run.bind(this));
      else Reflect.set(this, name, typeof part === "function" ? part.bind(inner) : part);
    }
  }

  write(draft: DraftState, computed: unknown, version?: number): void {
    this.inner.write(draft, computed, version);
  }

  /** Runs the code of the inner mutation: this is `compute`, where it has some. */
  protected run(state: object, context: MutationContext): unknown {
    return this.inner.compute?.(state, context);
  }
}
