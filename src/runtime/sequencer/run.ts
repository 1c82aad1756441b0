/**
 * One run of a sequencer in this process: its record, its own state, its lease.
 *
 * Invariants
 *  L1  While a run executes, the stored record names this process as its owner and the lease is
 *      renewed well before it ends. Every write carries the version it builds on, so an owner that
 *      lost the lease cannot write. An owner that could not renew it for its whole duration renews
 *      it before a step or a `runOnce` starts: another may have taken the run by then.
 *  L2  The end of a run and the end of its lease are one write.
 */
import { createChecks, initialState } from "../../../actors/scope/validation.ts";
import { monotonic } from "../../../actors/time/clock.ts";
import {
  isHoldfastError,
  RunLeasedError,
  ScopeStoppedError,
  StoreUnavailableError,
} from "../../../actors/errors.ts";
import type { RunPort, RunRecord, RunStatus, StepTurn } from "./steps.ts";
import type { WheelHandle } from "../../../actors/time/timer-wheel.ts";
import { scopeSettings, type ScopeSettings } from "../../../actors/scope/options.ts";
import { copyIn } from "../../../actors/state/copy.ts";
import type { ScopeHost } from "../scope-host.ts";
import { failureOf } from "./run-failure.ts";
import { namesOf } from "./run-fit.ts";
import {
  checkpointOf,
  leaseOf,
  type Checkpoint,
  type RunLog,
  type StoredRun,
} from "./run-record.ts";
import { StateScope } from "../scope.ts";
import type { RunScopes, Sequencer } from "./define.ts";
import { boundOps, StepWork, type BoundOps } from "./step-context.ts";

const NO_ANSWERS: readonly unknown[] = Object.freeze([]);

/** What a run is made from. */
export interface RunParts<S extends object> {
  readonly home: ScopeHost;
  readonly sequencer: Sequencer<S>;
  readonly log: RunLog;
  readonly scopes: RunScopes;
  /** Distinguishes the runtimes of one process. */
  readonly runtime: string;
  /** Since when the lease is owned, by the monotonic clock. */
  readonly leasedAt: number;
  /** Settings shared by the states of this sequencer's runs. */
  readonly settings: ScopeSettings;
}

/** A run that executes; see the head of this file. */
export class Run<S extends object> implements RunPort {
  readonly runId: string;
  readonly input: unknown;
  readonly scopes: RunScopes;
  /** The result of the step before. */
  previous: unknown;
  readonly #parts: RunParts<S>;
  readonly #log: RunLog;
  readonly #names: readonly string[];
  /** The state of the steps; made when a step first uses it. */
  #own: StateScope<S> | null = null;
  #ops: BoundOps<S> | null = null;
  /** Why the run must end; `null` while it may continue. */
  #lost: { readonly reason: unknown } | null = null;
  /** Made when a step first reads the signal. */
  #abort: AbortController | null = null;
  #onLost: ((reason: unknown) => void) | null = null;
  #renewal: WheelHandle | null = null;
  /** When the stored lease was made, by the monotonic clock. */
  #leasedAt: number;
  #ended = false;

  constructor(parts: RunParts<S>) {
    const { runId, input, outputs } = parts.log.record;
    this.#parts = parts;
    this.#log = parts.log;
    this.#names = namesOf(parts.sequencer);
    this.scopes = parts.scopes;
    this.runId = runId;
    this.input = input;
    this.previous = outputs.at(-1);
    this.#leasedAt = parts.leasedAt;
  }

  get record(): StoredRun {
    return this.#log.record;
  }

  get state(): Readonly<S> {
    return this.#state().state as Readonly<S>; // Read-only at every depth.
  }

  /** The seven operations on the run's own state, bound to it. */
  get ops(): BoundOps<S> {
    this.#ops ??= boundOps(this.#state());
    return this.#ops;
  }

  /** True when the run must end before its steps are done. */
  get lost(): boolean {
    return this.#lost !== null;
  }

  write(change: Partial<RunRecord>): void {
    const ends = change.status !== undefined && change.status !== "running";
    if (ends) this.#endRenewal();
    this.#log.write(ends ? { ...change, lease: null } : change);
  }

  finish(stepIndex: number, output: unknown, status: RunStatus): void {
    const ends = status !== "running";
    if (ends) this.#endRenewal();
    const change: Partial<StoredRun> = {
      stepIndex,
      steps: this.#names.slice(0, stepIndex + 1),
      error: null,
      ...(this.#own === null ? {} : { state: this.#own.state }),
      answers: NO_ANSWERS,
      ...(ends ? { status, lease: null } : {}),
      ...(this.#log.kind.history === 0 ? {} : { history: this.#remember() }),
    };
    this.previous = output;
    this.#log.write(change, { output });
  }

  /**
   * The current step failed. A suspension that could not be stored was seen by no caller: it is
   * made again when the run is resumed.
   */
  fail(error: unknown): void {
    const { stepIndex, error: before } = this.record;
    const step = this.#names[stepIndex] ?? "";
    const attempt = before?.step === step ? before.attempt + 1 : 1;
    this.write({ status: "failed", suspension: null, error: failureOf(error, { step, attempt }) });
  }

  onLost(callback: (reason: unknown) => void): void {
    this.#onLost = callback;
  }

  flush(): Promise<void> {
    return this.#store(this.#isOverdue);
  }

  async #store(renews: boolean): Promise<void> {
    try {
      await (renews ? this.#lease() : this.#log.flush());
    } catch (cause) {
      this.check(cause);
      const message = `a checkpoint of run "${this.runId}" could not be stored; resume it later`;
      throw new StoreUnavailableError(message, { scope: this.#log.identity, cause });
    }
  }

  check(failure: unknown = this.#log.failure): void {
    if (this.#lost !== null) throw this.#lost.reason;
    if (!isHoldfastError(failure, "CONCURRENT_MODIFICATION")) return;
    const error = new RunLeasedError(
      { runId: this.runId, holder: "another process that took it over" },
      { scope: this.#log.identity, cause: failure },
    );
    this.#lose(error);
    throw error;
  }

  /** Renews the lease until the run ends; a lost lease ends the run (L1). */
  renew(): void {
    const { home, sequencer } = this.#parts;
    this.#renewal = home.wheel.schedule(sequencer.leaseMs / 3, () => {
      this.renew();
      // A refusal by version ends the run; any other failure appears at the next boundary.
      return this.#store(true).catch(() => undefined);
    });
  }

  /** Ends the run from outside: aborts its step; its record can be resumed at once. */
  stop(): void {
    if (this.#ended) return;
    this.#endRenewal();
    this.#log.write({ lease: null });
    this.#lose(new ScopeStoppedError({ scope: this.#log.identity }));
    void this.end();
  }

  /** Ends the run: later calls of its steps change nothing. */
  async end(): Promise<void> {
    this.#ended = true;
    this.#endRenewal();
    await this.#own?.stop();
  }

  /** Stops the renewal: the run and its lease end in one write, and none may follow (L2). */
  #endRenewal(): void {
    if (this.#renewal !== null) this.#parts.home.wheel.cancel(this.#renewal);
    this.#renewal = null;
  }

  step(index: number, turn: StepTurn): unknown {
    const step = this.#parts.sequencer.steps[index];
    if (step === undefined) throw new RangeError(`there is no step ${index}`);
    const work = (): unknown => step.run(new StepWork<S>(this, step.name, turn));
    return this.#isOverdue ? this.flush().then(work) : work();
  }

  /** True when the lease of an executing run may be over, so another owner may have it. */
  get #isOverdue(): boolean {
    if (this.record.lease === null) return false;
    return this.#now() - this.#leasedAt >= this.#parts.sequencer.leaseMs;
  }

  /** Stores a new lease. */
  async #lease(): Promise<void> {
    const { home, runtime, sequencer } = this.#parts;
    const now = this.#now();
    this.#log.write({ lease: leaseOf(home, runtime, sequencer.leaseMs) });
    await this.#log.flush();
    this.#leasedAt = now;
  }

  #now(): number {
    return monotonic(this.#parts.home.clock);
  }

  /** Aborts when the run must end; made at the first read. */
  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    if (this.#lost !== null) this.#abort.abort(this.#lost.reason);
    return this.#abort.signal;
  }

  #lose(reason: unknown): void {
    if (this.#lost !== null) return;
    this.#endRenewal();
    this.#lost = { reason };
    this.#abort?.abort(reason);
    this.#onLost?.(reason);
  }

  /** The run's own state; a stopped one for late code of an ended run. */
  #state(): StateScope<S> {
    if (this.#own !== null) return this.#own;
    const identity = { type: "sequencer", id: this.runId };
    const { settings } = this.#parts;
    const { state } = this.record;
    this.#own = new StateScope<S>({ identity, settings, bridge: null, state, version: 0 });
    if (this.#ended) void this.#own.stop();
    return this.#own;
  }

  /** Adds the boundary before this one to the history. */
  #remember(): readonly Checkpoint[] {
    const { record } = this;
    const { kind, version } = this.#log;
    const latest = checkpointOf(record, version);
    return copyIn([latest, ...record.history].slice(0, kind.history), "history");
  }
}

/** Settings of the states of a sequencer's runs; throws for an invalid initial state. */
export function runSettings<S extends object>(
  sequencer: Sequencer<S>,
  home: ScopeHost,
): ScopeSettings {
  const identity = { type: "sequencer", id: sequencer.name };
  const checks = createChecks({ schema: sequencer.schema });
  const initial = initialState(sequencer.initial, checks, identity);
  return scopeSettings({ clock: home.clock, logger: home.logger }, { initial, checks });
}
