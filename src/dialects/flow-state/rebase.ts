/**
 * A mutation of a container without a store. When a direct `commit` was made while its asynchronous
 * code ran, the code runs again on the committed state (D2).
 */
import type { DraftState } from "../../../actors/state/draft-state.ts";
import { isThenable, type Mutation } from "../../../actors/scope/mutation.ts";
import type { MutationContext, OperationName } from "../../../actors/protocol.ts";
import { outsideBodies } from "./body.ts";
import type { ContainerScope } from "./container.ts";

/** Wraps a mutation that runs the caller's code. */
export class RebasedMutation implements Mutation {
  readonly operation: OperationName;
  readonly path?: () => string;
  readonly #inner: Mutation;
  readonly #scope: ContainerScope;

  constructor(inner: Mutation, scope: ContainerScope) {
    this.operation = inner.operation;
    this.#inner = inner;
    this.#scope = scope;
    // Absent when the operation has none, as the events need it.
    if (inner.path !== undefined) this.path = () => inner.path?.() ?? "";
  }

  compute(state: object, context: MutationContext): unknown {
    const { commits } = this.#scope;
    const computed = outsideBodies(() => this.#inner.compute?.(state, context));
    return isThenable(computed) ? this.#settle(computed, commits, context) : computed;
  }

  write(draft: DraftState, computed: unknown): void {
    this.#inner.write(draft, computed);
  }

  delta(computed: unknown): unknown {
    return this.#inner.delta?.(computed);
  }

  async #settle(
    computed: PromiseLike<unknown>,
    commits: number,
    context: MutationContext,
  ): Promise<unknown> {
    const value = await computed;
    if (this.#scope.commits === commits || context.signal.aborted) return value;
    const again = {
      schedule: context.schedule,
      attempt: context.attempt + 1,
      get signal() {
        return context.signal;
      },
    };
    return this.compute(this.#scope.draft.expose(), again);
  }
}
