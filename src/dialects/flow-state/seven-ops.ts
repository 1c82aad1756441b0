/** The seven operations as separate functions, which can be passed around one by one. */
import type { Mutation } from "../../../actors/scope/mutation.ts";
import type { MutationOptions, ScopeIdentity } from "../../../actors/protocol.ts";
import {
  AtomicMutation,
  DeleteKeyMutation,
  FieldMutation,
  IncrementMutation,
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
  const run = (make: () => Mutation, options?: MutationOptions): Promise<boolean> => {
    try {
      return apply(make(), options);
    } catch (error) {
      return Promise.reject(error); // Bad arguments reject like any other failure.
    }
  };
  return {
    patchState(first: unknown, second?: unknown, third?: MutationOptions) {
      if (typeof first !== "string")
        // The first form has its options as the second argument.
        return run(() => new PatchMutation(first, scope), second as MutationOptions);
      if (second === undefined) return Promise.resolve(false); // Nothing to do, as in the original.
      return run(() => new FieldMutation(first, second, scope), third);
    },
    setState: (next, call) => run(() => new SetMutation(next, scope), call),
    incState: (increments, call) => run(() => new IncrementMutation(increments, scope), call),
    pushState: (field, value, call) => run(() => new PushMutation(field, value, scope), call),
    setStateRecord: (field, key, value, call) =>
      run(() => new SetKeyMutation([field, key], value, scope), call),
    deleteStateRecord: (field, key, call) =>
      run(() => new DeleteKeyMutation(field, key, scope), call),
    atomicState: (mutator, call) => run(() => new AtomicMutation(mutator, scope), call),
  };
}
