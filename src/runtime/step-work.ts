/**
 * What a step is handed: its run's data, operations and scopes as one object.
 *
 * A class with plain fields: an object literal with getters becomes a dictionary, and making one cost
 * more than the rest of a step.
 */
import type { StepTurn } from "../../actors/sequencer.ts";
import type { RunScopes, StepContext } from "./sequence.ts";
import type { Scope, ScopeStateOps, StateScope } from "./scope.ts";

/** The run a step belongs to. */
export interface StepRunView<S extends object> {
  readonly record: {
    readonly runId: string;
    readonly input: unknown;
    readonly outputs: readonly unknown[];
  };
  readonly scopes: RunScopes;
  readonly ops: ScopeStateOps<S>;
  readonly state: Readonly<S>;
  readonly signal: AbortSignal;
}

type AnyScope = Scope<Record<string, unknown>>;

/** The context of one step. */
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
  readonly patchState: ScopeStateOps<S>["patchState"];
  readonly setState: ScopeStateOps<S>["setState"];
  readonly incState: ScopeStateOps<S>["incState"];
  readonly pushState: ScopeStateOps<S>["pushState"];
  readonly setStateRecord: ScopeStateOps<S>["setStateRecord"];
  readonly deleteStateRecord: ScopeStateOps<S>["deleteStateRecord"];
  readonly atomicState: ScopeStateOps<S>["atomicState"];
  readonly runOnce: StepContext<S>["runOnce"];
  readonly suspend: StepContext<S>["suspend"];
  readonly #run: StepRunView<S>;

  constructor(run: StepRunView<S>, stepName: string, turn: StepTurn) {
    const { record, scopes, ops } = run;
    this.#run = run;
    this.runId = record.runId;
    this.stepIndex = turn.index;
    this.stepName = stepName;
    this.input = record.input;
    this.previous = record.outputs.at(-1);
    this.request = scopes.request;
    this.session = scopes.session;
    this.user = scopes.user;
    this.org = scopes.org;
    this.patchState = ops.patchState;
    this.setState = ops.setState;
    this.incState = ops.incState;
    this.pushState = ops.pushState;
    this.setStateRecord = ops.setStateRecord;
    this.deleteStateRecord = ops.deleteStateRecord;
    this.atomicState = ops.atomicState;
    this.runOnce = (key, work) => turn.runOnce(key, work);
    // What the resume hands over has the type its caller gave it.
    this.suspend = <T>(reason: string) => turn.suspend(reason) as Promise<T>;
  }

  get state(): Readonly<S> {
    return this.#run.state;
  }

  get signal(): AbortSignal {
    return this.#run.signal;
  }
}

/** The seven operations of a scope, bound to it. */
export function boundOps<S extends object>(scope: StateScope<S>): ScopeStateOps<S> {
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
