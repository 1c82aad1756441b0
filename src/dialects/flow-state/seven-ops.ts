/** The seven operations as separate functions, which can be passed around one by one. */
import type { Mutation } from "../../../actors/scope/mutation.ts";
import type { MutationOptions, ScopeIdentity } from "../../../actors/protocol.ts";
import {
  AtomicMutation,
  DeleteKeyMutation,
  FieldMutation,
  IncrementMutation,
  type Operation,
  PatchMutation,
  PushMutation,
  SetKeyMutation,
  SetMutation,
} from "../../runtime/state-ops.ts";
import type { ScopeStateOps } from "../../runtime/scope.ts";

/** Applies a mutation; resolves to whether the state changed. */
export type Apply = (mutation: Mutation, options: MutationOptions | undefined) => Promise<boolean>;

/** The seven operations over `apply`; `scope` is named in the errors of bad arguments. */
export function sevenOps<S extends object>(scope: ScopeIdentity, apply: Apply): ScopeStateOps<S> {
  const run = <A extends readonly unknown[]>(
    Operation: Operation<A>,
    options: MutationOptions | undefined,
    ...given: A
  ): Promise<boolean> => {
    try {
      return apply(new Operation(scope, ...given), options);
    } catch (error) {
      return Promise.reject(error); // Bad arguments reject like any other failure.
    }
  };
  return {
    patchState(first: unknown, second?: unknown, third?: MutationOptions) {
      // The first form has its options as the second argument.
      if (typeof first !== "string") return run(PatchMutation, second as MutationOptions, first);
      if (second === undefined) return Promise.resolve(false); // Nothing to do, as in the original.
      return run(FieldMutation, third, first, second);
    },
    setState: (next, call) => run(SetMutation, call, next),
    incState: (increments, call) => run(IncrementMutation, call, increments),
    pushState: (field, value, call) => run(PushMutation, call, field, value),
    setStateRecord: (field, key, value, call) => run(SetKeyMutation, call, [field, key], value),
    deleteStateRecord: (field, key, call) => run(DeleteKeyMutation, call, field, key),
    atomicState: (mutator, call) => run(AtomicMutation, call, mutator),
  };
}
