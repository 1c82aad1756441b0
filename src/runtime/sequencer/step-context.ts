/**
 * The argument of a step: its run's data, operations and scopes as one object.
 *
 * A class with plain fields: an object literal with getters becomes a dictionary, and making one
 * costs more than the rest of a step.
 */
import type { Scope, ScopeStateOps, StateScope } from "../scope.ts";
import type { RunScopes, StepContext, TransactOptions } from "./context.ts";
import type { TryPort } from "./run-port.ts";

/** The run a step belongs to. */
export interface StepRunView {
  readonly runId: string;
  readonly input: unknown;
  readonly previous: unknown;
  readonly scopes: RunScopes;
  /** The state of the run. */
  readonly own: StateScope;
  /** One whose operations reject. */
  readonly stopped: StateScope;
}

type AnyScope = Scope<Record<string, unknown>>;
type Ops = ScopeStateOps<object>;

/** The context of one step. Rarely used parts are made at their first use. */
export class StepWork implements StepContext<object> {
  readonly runId: string;
  readonly stepIndex: number;
  readonly stepName: string;
  readonly attempt: number;
  readonly input: unknown;
  readonly previous: unknown;
  readonly request: AnyScope | undefined;
  readonly session: AnyScope | undefined;
  readonly user: AnyScope | undefined;
  readonly org: AnyScope | undefined;
  readonly #run: StepRunView;
  readonly #try: TryPort;
  /** The state of this try; the next try has another. */
  #state: StateScope | null = null;

  constructor(run: StepRunView, stepName: string, thisTry: TryPort) {
    const { scopes } = run;
    this.#run = run;
    this.#try = thisTry;
    this.runId = run.runId;
    this.stepIndex = thisTry.index;
    this.stepName = stepName;
    this.attempt = thisTry.attempt;
    this.input = run.input;
    this.previous = run.previous;
    this.request = scopes.request;
    this.session = scopes.session;
    this.user = scopes.user;
    this.org = scopes.org;
  }

  get state(): object {
    return this.#run.own.state;
  }

  get signal(): AbortSignal {
    return this.#try.signal;
  }

  get patchState(): Ops["patchState"] {
    return this.#own.patchState.bind(this.#own);
  }

  get setState(): Ops["setState"] {
    return this.#own.setState.bind(this.#own);
  }

  get incState(): Ops["incState"] {
    return this.#own.incState.bind(this.#own);
  }

  get pushState(): Ops["pushState"] {
    return this.#own.pushState.bind(this.#own);
  }

  get setStateRecord(): Ops["setStateRecord"] {
    return this.#own.setStateRecord.bind(this.#own);
  }

  get deleteStateRecord(): Ops["deleteStateRecord"] {
    return this.#own.deleteStateRecord.bind(this.#own);
  }

  get atomicState(): Ops["atomicState"] {
    return this.#own.atomicState.bind(this.#own);
  }

  get runOnce(): StepContext["runOnce"] {
    return (key, work) => this.#try.runOnce(key, work);
  }

  get transact(): StepContext["transact"] {
    // The recipe receives the drafts of these scopes; its result is that of this call.
    return <R>(scopes: readonly unknown[], recipe: unknown, options?: TransactOptions) =>
      this.#try.transact(scopes, recipe, options) as Promise<R>;
  }

  get suspend(): StepContext["suspend"] {
    // The caller declares the type of the resume's data, or the schema checks it.
    return <T>(asked: unknown) => this.#try.suspend(asked) as Promise<T>;
  }

  get sleep(): StepContext["sleep"] {
    return (time) => this.#try.sleep(time);
  }

  get #own(): StateScope {
    return (this.#state ??= this.#try.ended ? this.#run.stopped : this.#run.own);
  }
}
