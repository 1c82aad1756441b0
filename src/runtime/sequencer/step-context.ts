/**
 * The argument of a step: its run's data, operations and scopes as one object.
 *
 * A class with plain fields: an object literal with getters becomes a dictionary, and making one
 * costs more than the rest of a step.
 */
import type { StepTurn } from "./steps.ts";
import type { RunScopes, StepContext } from "./define.ts";
import type { Scope, ScopeStateOps, StateScope } from "../scope.ts";

/** The run a step belongs to. */
export interface StepRunView<S extends object> {
  readonly runId: string;
  readonly input: unknown;
  readonly previous: unknown;
  readonly scopes: RunScopes;
  readonly ops: BoundOps<S>;
  readonly state: Readonly<S>;
  readonly signal: AbortSignal;
}

type AnyScope = Scope<Record<string, unknown>>;
/** The seven operations as functions that need no `this`. */
export type BoundOps<S extends object> = {
  readonly [Name in keyof ScopeStateOps<S>]: (
    this: void,
    ...args: Parameters<StateScope<S>[Name]>
  ) => Promise<boolean>;
};
type Op<S extends object, Name extends keyof ScopeStateOps<S>> = ScopeStateOps<S>[Name];

/** The context of one step. Rarely used parts are made at their first use. */
export class StepWork<S extends object> implements StepContext<S> {
  readonly runId: string;
  readonly stepIndex: number;
  readonly stepName: string;
  readonly input: unknown;
  readonly previous: unknown;
  readonly request: AnyScope | undefined;
  readonly session: AnyScope | undefined;
  readonly user: AnyScope | undefined;
  readonly org: AnyScope | undefined;
  readonly #run: StepRunView<S>;
  readonly #turn: StepTurn;

  constructor(run: StepRunView<S>, stepName: string, turn: StepTurn) {
    const { scopes } = run;
    this.#run = run;
    this.#turn = turn;
    this.runId = run.runId;
    this.stepIndex = turn.index;
    this.stepName = stepName;
    this.input = run.input;
    this.previous = run.previous;
    this.request = scopes.request;
    this.session = scopes.session;
    this.user = scopes.user;
    this.org = scopes.org;
  }

  get state(): Readonly<S> {
    return this.#run.state;
  }

  get signal(): AbortSignal {
    return this.#run.signal;
  }

  get patchState(): Op<S, "patchState"> {
    return this.#run.ops.patchState;
  }

  get setState(): Op<S, "setState"> {
    return this.#run.ops.setState;
  }

  get incState(): Op<S, "incState"> {
    return this.#run.ops.incState;
  }

  get pushState(): Op<S, "pushState"> {
    return this.#run.ops.pushState;
  }

  get setStateRecord(): Op<S, "setStateRecord"> {
    return this.#run.ops.setStateRecord;
  }

  get deleteStateRecord(): Op<S, "deleteStateRecord"> {
    return this.#run.ops.deleteStateRecord;
  }

  get atomicState(): Op<S, "atomicState"> {
    return this.#run.ops.atomicState;
  }

  get runOnce(): StepContext<S>["runOnce"] {
    return (key, work) => this.#turn.runOnce(key, work);
  }

  get suspend(): StepContext<S>["suspend"] {
    // The caller declares the type of the resume's data.
    return <T>(reason: string) => this.#turn.suspend(reason) as Promise<T>;
  }
}

/** The seven operations of a scope, bound to it. */
export function boundOps<S extends object>(scope: StateScope<S>): BoundOps<S> {
  return {
    patchState: scope.patchState.bind(scope),
    setState: scope.setState.bind(scope),
    incState: scope.incState.bind(scope),
    pushState: scope.pushState.bind(scope),
    setStateRecord: scope.setStateRecord.bind(scope),
    deleteStateRecord: scope.deleteStateRecord.bind(scope),
    atomicState: scope.atomicState.bind(scope),
  };
}
