/**
 * The seven operations over a container, in flow-state-dev's words.
 *
 * Without a store a change goes to the container's scope as it is (the lock path). With one it
 * takes the container's turn, is saved on its own and checked by version (the CAS path). Either way
 * calls wait in one queue, so callers of one process never conflict with one another.
 */
import type { Mutation } from "../../../actors/mutation.ts";
import type { MutationOptions, ScopeIdentity } from "../../../actors/protocol.ts";
import { casBudget, optionNames, refuseUnknown, timeoutOption } from "../../../actors/settings.ts";
import type { Hold } from "../../../actors/solo.ts";
import { copyIn } from "../../../actors/values.ts";
import {
  AtomicMutation,
  DeleteKeyMutation,
  FieldMutation,
  IncrementMutation,
  PatchMutation,
  PushMutation,
  SetKeyMutation,
  SetMutation,
} from "../../ops/state-ops.ts";
import type { ScopeStateOps } from "../../runtime/scope.ts";
import { CasRun, type RunWithCASResult } from "./cas.ts";
import { stateScopeOf, type ContainerScope, type StateContainer } from "./container.ts";
import { hintOf } from "./hint.ts";
import { whileHeld } from "./lock.ts";
import type { CASPersist, CASReread } from "./persist.ts";
import { RebasedMutation } from "./rebase.ts";
import type { CASOptions } from "./run-with-cas.ts";

/** Options of `createScopeStateOps`. */
export interface ScopeStateOpsOptions<S extends object> {
  /** Writes each change to a store; without it the state lives in the container. */
  readonly persist?: CASPersist<S> | undefined;
  /** Confirms what saves nothing, as in `runWithCAS`; used with `persist` only. */
  readonly reread?: CASReread<S> | undefined;
  /** How a conflict is retried; default 3 retries after 10, 20 and 40 ms. */
  readonly cas?: Omit<CASOptions, "timeoutMs"> | undefined;
  /** Milliseconds for waiting and running; default 30 000; 0, negative and `Infinity` = off. */
  readonly mutationTimeoutMs?: number | undefined;
}

const OPTIONS = optionNames<ScopeStateOpsOptions<object>>({
  persist: true,
  reread: true,
  cas: true,
  mutationTimeoutMs: true,
});

/** The seven operations and the state they work on. */
export interface ContainerOps<S extends object> extends ScopeStateOps<S> {
  /** The last committed state. */
  readonly state: Readonly<S>;
  /** The version of `state`. */
  readonly version: number;
}

/** Applies a mutation; the scope it is made for is named in its errors. */
type Apply = (
  make: (scope: ScopeIdentity) => Mutation,
  options: MutationOptions | undefined,
) => Promise<boolean>;

/**
 * Makes the seven operations over a container; they can be passed around one by one. Throws
 * `RangeError` when a number is NaN and `TypeError` when `container` is none.
 */
export function createScopeStateOps<S extends object>(
  container: StateContainer<S>,
  options: ScopeStateOpsOptions<S> = {},
): ContainerOps<S> {
  refuseUnknown("createScopeStateOps", options, OPTIONS);
  const apply = applier<S>(stateScopeOf(container), options);
  return {
    patchState: patcher<S>(apply),
    setState: (next, call) => apply((scope) => new SetMutation(next, scope), call),
    incState: (increments, call) =>
      apply((scope) => new IncrementMutation(increments, scope), call),
    pushState: (field, value, call) =>
      apply((scope) => new PushMutation(field, value, scope), call),
    setStateRecord: (field, key, value, call) =>
      apply((scope) => new SetKeyMutation([field, key], value, scope), call),
    deleteStateRecord: (field, key, call) =>
      apply((scope) => new DeleteKeyMutation(field, key, scope), call),
    atomicState: (mutator, call) => apply((scope) => new AtomicMutation(mutator, scope), call),
    get state() {
      return container.read();
    },
    get version() {
      return container.getVersion();
    },
  };
}

/** `patchState` in its two forms: fields to merge, or a key and its updater. */
function patcher<S extends object>(apply: Apply): ScopeStateOps<S>["patchState"] {
  return (first: unknown, second?: unknown, third?: MutationOptions) => {
    if (typeof first !== "string")
      // The first form has its options in second place.
      return apply((scope) => new PatchMutation(first, scope), second as MutationOptions);
    if (second === undefined) return Promise.resolve(false); // Nothing to do, as there.
    return apply((scope) => new FieldMutation(first, second, scope), third);
  };
}

/** Chooses the path of a change. */
function applier<S extends object>(
  scope: ContainerScope,
  { persist, reread, cas, mutationTimeoutMs }: ScopeStateOpsOptions<S>,
): Apply {
  const budget = casBudget(cas);
  timeoutOption(mutationTimeoutMs, 0); // Refuses NaN now, not at the first call.
  // The container holds an S, so that is what its store is given.
  const save = (persist ?? null) as CASPersist<object> | null;
  const withTimeout = (call: MutationOptions | undefined): MutationOptions | undefined =>
    mutationTimeoutMs === undefined
      ? call
      : { ...call, timeoutMs: call?.timeoutMs ?? mutationTimeoutMs };
  const saved = async (mutation: Mutation, call?: MutationOptions): Promise<boolean> => {
    const meta = copyIn(call?.meta, "meta");
    const verified = save === null ? {} : { reread };
    const saving = { mutation, persist: save, hint: hintOf(mutation), cas: budget, meta };
    const run = (hold: Hold): Promise<RunWithCASResult<object>> =>
      new CasRun(scope, { ...saving, ...verified }, hold).run();
    return (await whileHeld(scope, withTimeout(call), run)).committed;
  };
  const isSaved = save !== null || scope.isForeign;
  return (make, call) => {
    try {
      const mutation = make(scope.identity);
      return isSaved ? saved(mutation, call) : locked(scope, mutation, call, withTimeout);
    } catch (error) {
      return Promise.reject(error); // Bad arguments are a rejection like every other failure.
    }
  };
}

/** The lock path. Plain data on an idle scope is applied at once, so it needs no deadline. */
function locked(
  scope: ContainerScope,
  mutation: Mutation,
  call: MutationOptions | undefined,
  withTimeout: (call: MutationOptions | undefined) => MutationOptions | undefined,
): Promise<boolean> {
  if (mutation.compute !== undefined)
    return scope.mutate(new RebasedMutation(mutation, scope), withTimeout(call));
  return scope.mutate(mutation, call === undefined && scope.idle ? undefined : withTimeout(call));
}
