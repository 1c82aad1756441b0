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
import {
  isHoldfastError,
  RunCancelledError,
  RunLeasedError,
  ScopeStoppedError,
  StoreUnavailableError,
} from "../../../actors/errors.ts";
import {
  type CurrentStep,
  type RunFailure,
  type RunPort,
  type RunRecord,
  STEP_BEGINS,
  type TryPort,
} from "./run-port.ts";
import { alarm } from "./alarm.ts";
import { OwnLease, type OwnLeaseParts } from "./own-lease.ts";
import { copyIn } from "../../../actors/state/copy.ts";
import { failureOf } from "./run-failure.ts";
import { unchangedSince } from "./run-fork.ts";
import { checkpointOf, copyOf, type RunLog, STORED, type StoredRun } from "./run-record.ts";
import { CANCELLED } from "./run-logs.ts";
import { StateScope } from "../scope.ts";
import { runStepTransact } from "../transaction/several.ts";
import type { RunRule } from "./run-begin.ts";
import type { RunScopes } from "./context.ts";
import type { AnySequencer } from "./define.ts";
import type { AnyStep } from "./step-rules.ts";
import { StepWork } from "./step-context.ts";

/** What a run is made from. */
export interface RunParts extends OwnLeaseParts, RunRule {
  readonly sequencer: AnySequencer;
  readonly scopes: RunScopes;
}

/** A run that executes; see the head of this file. */
export class Run implements RunPort {
  readonly runId: string;
  readonly input: unknown;
  readonly scopes: RunScopes;
  /** The result of the step before. */
  previous: unknown;
  readonly #parts: RunParts;
  readonly #log: RunLog;
  /** `null`: no other process can reach the run. */
  readonly #lease: OwnLease | null;
  /** The state of the steps; made when a step first uses it. */
  #own: StateScope | null = null;
  /** Why the run must end; `null` while it may continue. */
  #lost: { readonly reason: unknown } | null = null;
  #onLost: ((reason: unknown) => void) | null = null;
  #ended = false;

  constructor(parts: RunParts) {
    const { runId, input, outputs } = parts.log.record;
    this.#parts = parts;
    this.#log = parts.log;
    this.#lease = parts.log.shared ? new OwnLease(parts, parts.sequencer.leaseMs) : null;
    this.scopes = parts.scopes;
    this.runId = runId;
    this.input = input;
    this.previous = outputs.at(-1);
  }

  get record(): StoredRun {
    return this.#log.record;
  }

  /** The run's own state; a stopped one for late code of an ended run. */
  get own(): StateScope {
    if (this.#own !== null) return this.#own;
    this.#own = this.#copy();
    if (this.#ended) void this.#own.stop();
    return this.#own;
  }

  get stopped(): StateScope {
    const ended = this.#copy();
    void ended.stop();
    return ended;
  }

  get current(): CurrentStep | undefined {
    const index = this.record.stepIndex;
    const { steps, rules } = this.#parts.sequencer;
    const step = steps[index];
    const own = rules[index];
    return step === undefined || own === undefined ? undefined : { index, step, rules: own };
  }

  /** True when the run must end before its steps are done. */
  get lost(): boolean {
    return this.#lost !== null;
  }

  write(change: Partial<RunRecord>): void {
    const ends = change.status !== undefined && change.status !== "running";
    this.#log.write(ends ? { ...change, lease: null } : change);
  }

  finish(output: unknown): void {
    const { record } = this;
    const stepIndex = record.stepIndex + 1;
    const following = this.#parts.sequencer.steps[stepIndex];
    const state = this.#own?.state ?? record.state;
    const since = state === record.state ? unchangedSince(record) : stepIndex;
    const next = copyOf(record, STEP_BEGINS);
    next.updatedAt = this.now();
    next.stepIndex = stepIndex;
    next.state = state;
    next.unchanged = { since, at: stepIndex };
    next.outputs = [...record.outputs, output];
    next.ends = [...record.ends, Math.max(0, next.updatedAt - record.createdAt)];
    next.error = null;
    if (following === undefined) {
      next.status = "completed";
      next.lease = null;
    } else next.steps = [...record.steps, following.name];
    const { version, kind } = this.#log;
    if (kind.checkpoints > 0) {
      const history = [checkpointOf(record, version), ...record.history];
      next.history = copyIn(history.slice(0, kind.checkpoints), "history");
    }
    this.previous = output;
    this.#log.put(next);
  }

  /**
   * The current step failed. A suspension that could not be stored was seen by no caller: it is
   * made again when the run is resumed.
   */
  fail(error: unknown): void {
    this.write({ status: "failed", suspension: null, error: this.#failure(error) });
  }

  failedTry(error: unknown): void {
    this.write({ error: this.#failure(error), tries: this.record.tries + 1 });
    void this.#own?.stop();
    this.#own = null;
  }

  onLost(callback: (reason: unknown) => void): void {
    this.#onLost = callback;
  }

  flush(): Promise<void> {
    return this.#log.clean && !this.#isOverdue ? STORED : this.#store(this.#isOverdue);
  }

  rest(until: number | null): Promise<void> {
    return this.#store(this.#lease?.rest(until) === true || this.#isOverdue);
  }

  get #isOverdue(): boolean {
    return this.#lease?.isOverdue === true;
  }

  now(): number {
    return this.#parts.home.clock.now();
  }

  alarm(at: number, callback: () => void): () => void {
    return alarm(this.#parts.home.clock, at, callback);
  }

  random(): number {
    return this.#parts.settings.random();
  }

  async #store(renews: boolean): Promise<void> {
    try {
      await (renews ? this.#lease?.store() : this.#log.flush());
    } catch (cause) {
      this.check(cause);
      const message = `a checkpoint of run "${this.runId}" could not be stored; resume it later`;
      throw new StoreUnavailableError(message, { scope: this.#log.identity, cause });
    }
  }

  check(failure: unknown = this.#log.failure): void {
    if (this.#lost !== null) throw this.#lost.reason;
    if (failure === null) return;
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
    // A refusal by version ends the run; any other failure appears at the next boundary.
    this.#lease?.begin(() => this.#store(true).catch(() => undefined));
  }

  /** Ends the run from outside: aborts its step; its record can be resumed at once. */
  stop(): void {
    if (this.#ended) return;
    this.#log.write({ lease: null });
    this.#lose(new ScopeStoppedError({ scope: this.#log.identity }));
    void this.end();
  }

  /** Cancels the run, and returns true; false when it has ended. */
  cancel(): boolean {
    if (this.#ended || this.#lost !== null || this.record.status !== "running") return false;
    this.#log.write(CANCELLED);
    this.cancelled();
    return true;
  }

  /** The run was cancelled, here or elsewhere: aborts its step. */
  cancelled(): void {
    const reason = new RunCancelledError(this.runId, { scope: this.#log.identity });
    this.#lose(reason);
    this.#lost = { reason }; // The write of the cancellation may have ended it as a lost lease.
    void this.end();
  }

  /** Why the run must end, if it must. */
  get reason(): unknown {
    return this.#lost?.reason;
  }

  /** Ends the run: later calls of its steps change nothing. */
  end(): Promise<void> | undefined {
    this.#ended = true;
    this.#lease?.end();
    return this.#own?.stop();
  }

  transact(...given: Parameters<RunPort["transact"]>): Promise<unknown> {
    const { home } = this.#parts;
    return home.calls.run(() => runStepTransact(home, ...given));
  }

  step(step: AnyStep, thisTry: TryPort): unknown {
    // The state of a run is of the type that its sequencer declares.
    const work = (): unknown => step.run(new StepWork(this, step.name, thisTry) as never);
    return this.#isOverdue ? this.flush().then(work) : work();
  }

  #lose(reason: unknown): void {
    if (this.#lost !== null) return;
    this.#lease?.end();
    this.#lost = { reason };
    this.#onLost?.(reason);
  }

  /** The state of the record as a scope. */
  #copy(): StateScope {
    const identity = { type: "sequencer", id: this.runId };
    const { settings, initial } = this.#parts;
    const { state } = this.record;
    return new StateScope({ identity, settings, bridge: null, state, initial, version: 0 });
  }

  #failure(error: unknown): RunFailure {
    const { stepIndex, error: before } = this.record;
    const step = this.#parts.sequencer.steps[stepIndex]?.name ?? "";
    return failureOf(error, { step, attempt: before?.step === step ? before.attempt + 1 : 1 });
  }
}
