/** `runWithCAS`: the compare-and-set loop for a mutator that returns the whole next state. */
import type { DraftState } from "../../../actors/state/draft-state.ts";
import type { Mutation } from "../../../actors/scope/mutation.ts";
import type { CasOptions, MutationContext } from "../../../actors/protocol.ts";
import { casBudget, optionNames, refuseUnknown } from "../../../actors/scope/options.ts";
import { exclusively, type ExclusiveSection } from "../../../actors/scope/exclusive.ts";
import { SetMutation } from "../../runtime/state-ops.ts";
import { bodyOf } from "./body.ts";
import { CasRun, type RunWithCASResult, type Saving } from "./cas.ts";
import { stateScopeOf, type StateContainer } from "./container.ts";
import { insideBody } from "./lock.ts";
import type { CASMutationHint, CASPersist, CASReread } from "./persist.ts";
import { sizeHook, type SizeOptions } from "./size-hook.ts";

/** Options of one compare-and-set loop. */
export interface CASOptions extends Omit<CasOptions, "escalate"> {
  /** Milliseconds for waiting in the queue and running; default 30 000. */
  readonly timeoutMs?: number | undefined;
}

/** Returns the whole next state for the present one. */
export type CASMutator<S> = (state: Readonly<S>, context: MutationContext) => S | Promise<S>;

/** The argument of `runWithCAS`. The size options apply to the saved state. */
export interface RunWithCASOptions<S extends object> extends SizeOptions {
  readonly container: StateContainer<S>;
  readonly mutator: CASMutator<S>;
  readonly persist: CASPersist<S>;
  /**
   * Reads the store again before a result that saves nothing is returned. When the stored version
   * is another one, `mutator` runs again on the stored state, as after a conflict. Without it, such
   * a result is based on the container's state.
   */
  readonly reread?: CASReread<S> | undefined;
  readonly options?: CASOptions | undefined;
  /** Default `{ kind: "set" }`. */
  readonly hint?: CASMutationHint | undefined;
}

const RUN_OPTIONS = optionNames<RunWithCASOptions<object>>({
  container: true,
  mutator: true,
  persist: true,
  reread: true,
  options: true,
  hint: true,
  maxStateSizeBytes: true,
  onStateSizeWarning: true,
});

const CAS_OPTIONS = optionNames<CASOptions>({
  maxRetries: true,
  baseDelayMs: true,
  maxDelayMs: true,
  jitter: true,
  timeoutMs: true,
});

/** A mutator that returns the whole next state. */
class WholeMutation implements Mutation {
  readonly operation = "atomic";
  readonly #mutator: (state: object, context: MutationContext) => unknown;

  constructor(mutator: (state: object, context: MutationContext) => unknown) {
    this.#mutator = mutator;
  }

  compute(state: object, context: MutationContext): unknown {
    return this.#mutator(state, context);
  }

  write(draft: DraftState, computed: unknown): void {
    new SetMutation(draft.scope, computed).write(draft);
  }
}

/**
 * Saves one change: acquires the container, runs `mutator`, saves, and retries on a conflict.
 * Resolves to the state after it and whether that is a new one. Rejects with
 * `ConcurrentModificationError` after the last retry and with the errors of `mutator` and
 * `persist`.
 */
export async function runWithCAS<S extends object>(
  given: RunWithCASOptions<S>,
): Promise<RunWithCASResult<S>> {
  refuseUnknown("runWithCAS", given, RUN_OPTIONS);
  const { container, mutator, persist, reread, options = {}, hint = { kind: "set" } } = given;
  refuseUnknown("runWithCAS options", options, CAS_OPTIONS);
  const scope = stateScopeOf(container);
  const warn = sizeHook(scope, given);
  const { timeoutMs, ...cas } = options;
  // The container's state is an S, so that is what its mutator and its store receive.
  const mutation = new WholeMutation(mutator as CASMutator<object>);
  const saving: Saving = {
    mutation,
    persist: persist as unknown as CASPersist<object>,
    reread,
    hint,
    cas: casBudget(cas),
  };
  const body = bodyOf(scope);
  const work = (section: ExclusiveSection): Promise<RunWithCASResult<object>> =>
    new CasRun(scope, saving, section).run();
  const result = await (body === undefined
    ? exclusively([scope], timeoutMs === undefined ? {} : { timeoutMs }, work)
    : insideBody(body, work));
  if (result.committed) warn?.(result.state);
  return result as RunWithCASResult<S>; // The mutator's result is an S by its type.
}
