/**
 * A mutation of a container without a store. When a direct `commit` was made while its asynchronous
 * code ran, the code runs again on the committed state (D2).
 */
import { isThenable, type Mutation } from "../../../actors/scope/mutation.ts";
import { WrappedMutation } from "../../../actors/scope/wrapped-mutation.ts";
import type { MutationContext } from "../../../actors/protocol.ts";
import { outsideBodies } from "./body.ts";
import type { ContainerScope } from "./container.ts";

/** Wraps a mutation that runs the caller's code. */
export class RebasedMutation extends WrappedMutation {
  readonly #scope: ContainerScope;

  constructor(inner: Mutation, scope: ContainerScope) {
    super(inner);
    this.#scope = scope;
  }

  protected override run(state: object, context: MutationContext): unknown {
    const { commits } = this.#scope;
    const computed = outsideBodies(() => super.run(state, context));
    return isThenable(computed) ? this.#settle(computed, commits, context) : computed;
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
    return this.run(this.#scope.draft.expose(), again);
  }
}
