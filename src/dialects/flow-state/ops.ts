/**
 * The seven operations over a container, with the names of flow-state-dev.
 *
 * Without a store, a change is a mutation of the container's scope (the lock path). With a store,
 * it acquires the container, is saved on its own and checked by version (the CAS path). All calls
 * wait in one queue, so callers of one process never conflict with one another.
 */
import type { Mutation } from "../../../actors/scope/mutation.ts";
import type { MutationOptions } from "../../../actors/protocol.ts";
import { casBudget, optionNames, refuseUnknown } from "../../../actors/scope/options.ts";
import { exclusively, type ExclusiveSection } from "../../../actors/scope/exclusive.ts";
import { copyIn } from "../../../actors/state/copy.ts";
import { timeoutOption } from "../../../actors/time/clock.ts";
import type { ScopeStateOps } from "../../runtime/scope.ts";
import { CasRun, type RunWithCASResult } from "./cas.ts";
import { stateScopeOf, type ContainerScope, type StateContainer } from "./container.ts";
import { hintOf } from "./hint.ts";
import { nullAsMissing } from "./null-field.ts";
import type { CASPersist, CASReread } from "./persist.ts";
import { RebasedMutation } from "./rebase.ts";
import type { CASOptions } from "./run-with-cas.ts";
import { sevenOps, type Apply } from "./seven-ops.ts";
import { sizeHook, type SizeOptions } from "./size-hook.ts";

/**
 * Options of `createScopeStateOps`. The size options apply to the states saved by these operations;
 * the container's own apply to all its changes.
 */
export interface ScopeStateOpsOptions<S extends object> extends SizeOptions {
  /** Writes each change to a store; without it the state is kept in the container. */
  readonly persist?: CASPersist<S> | undefined;
  /** Confirms a result that saves nothing, as in `runWithCAS`; used with `persist` only. */
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
  maxStateSizeBytes: true,
  onStateSizeWarning: true,
});

/** The seven operations, and their state. */
export interface ContainerOps<S extends object> extends ScopeStateOps<S> {
  /** The last committed state. */
  readonly state: Readonly<S>;
  /** The version of `state`. */
  readonly version: number;
}

/**
 * Makes the seven operations over a container; each can be passed around on its own. Throws
 * `RangeError` when a number is NaN and `TypeError` when `container` is not a container.
 */
export function createScopeStateOps<S extends object>(
  container: StateContainer<S>,
  options: ScopeStateOpsOptions<S> = {},
): ContainerOps<S> {
  refuseUnknown("createScopeStateOps", options, OPTIONS);
  const scope = stateScopeOf(container);
  const apply = applier<S>(scope, options);
  const warn = sizeHook(scope, options);
  const watched: Apply = async (mutation, call) => {
    const changed = await apply(mutation, call);
    if (changed) warn?.(scope.state);
    return changed;
  };
  return {
    ...sevenOps<S>(scope.identity, warn === null ? apply : watched),
    get state() {
      return container.read();
    },
    get version() {
      return container.getVersion();
    },
  };
}

/** Chooses the path of a change. */
function applier<S extends object>(
  scope: ContainerScope,
  { persist, reread, cas, mutationTimeoutMs }: ScopeStateOpsOptions<S>,
): Apply {
  const budget = casBudget(cas);
  timeoutOption(mutationTimeoutMs, 0); // Rejects NaN now, not at the first call.
  // The container's state is an S, so that is what its store receives.
  const save = (persist ?? null) as CASPersist<object> | null;
  const withTimeout = (call: MutationOptions | undefined): MutationOptions | undefined =>
    mutationTimeoutMs === undefined
      ? call
      : { ...call, timeoutMs: call?.timeoutMs ?? mutationTimeoutMs };
  const saved = async (mutation: Mutation, call?: MutationOptions): Promise<boolean> => {
    const meta = copyIn(call?.meta, "meta");
    const verified = save === null ? {} : { reread };
    const saving = { persist: save, hint: hintOf(mutation), cas: budget, meta };
    const run = (section: ExclusiveSection): Promise<RunWithCASResult<object>> =>
      new CasRun(
        scope,
        { mutation: nullAsMissing(mutation), ...saving, ...verified },
        section,
      ).run();
    return (await exclusively([scope], withTimeout(call), run)).committed;
  };
  const isSaved = save !== null || scope.isForeign;
  return (mutation, call) =>
    isSaved ? saved(mutation, call) : locked(scope, mutation, call, withTimeout);
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
  const direct = call === undefined && scope.idle;
  return scope.mutate(nullAsMissing(mutation), direct ? undefined : withTimeout(call));
}
