/**
 * Runs sequencers on a runtime: new runs, runs that were cut off, suspended runs.
 */
import { randomUUID } from "node:crypto";
import { isHoldfastError, RunLeasedError, RuntimeClosedError } from "../../../actors/errors.ts";
import { runSteps } from "./steps.ts";
import type { RunOutcome } from "./run-port.ts";
import type { ScopeSettings } from "../../../actors/scope/options.ts";
import { copyIn } from "../../../actors/state/copy.ts";
import type { ScopeHost } from "../scope-host.ts";
import {
  answerTo,
  newTries,
  presentOutcome,
  suspensionOption,
  timeOver,
  type ResumeOptions,
} from "./run-answer.ts";
import { inputOf, reopened, runSettings } from "./run-begin.ts";
import { checkSame, goingOn, namesOf } from "./run-fit.ts";
import {
  Recovery,
  type RecoverOptions,
  type RecoveryHandle,
  type RecoveryPort,
} from "./recovery.ts";
import { RunLogs } from "./run-logs.ts";
import { RunLeases } from "./run-lease.ts";
import { Run } from "./run.ts";
import {
  checkpointOf,
  newRecord,
  type RunLog,
  type Checkpoint,
  type GivenScopes,
  type StoredRun,
} from "./run-record.ts";
import type { RunScopes } from "./context.ts";
import { type AnySequencer, refuseNoSequencer } from "./define.ts";
import { optionNames, refuseUnknown } from "../../../actors/scope/options.ts";

/** Options of one run. */
export interface RunOptions<I = unknown> {
  /** Names the run for `resume`; default a new id. A known run continues where it was. */
  readonly runId?: string | undefined;
  /** Passed to every step; stored with the run, so it must be storable. */
  readonly input?: I | undefined;
  /** Scopes for the steps; opened again by identity when the run is resumed. */
  readonly scopes?: GivenScopes | undefined;
}

const RUN_OPTIONS = optionNames<RunOptions>({ runId: true, input: true, scopes: true });

/** A run that was started. */
export interface RunHandle<Output = unknown, S extends object = object> {
  readonly runId: string;
  /** The outcome; rejects with what a step threw, or when the end could not be stored. */
  readonly result: Promise<RunOutcome<Output, S>>;
  /** Checkpoint writes that failed so far. */
  readonly checkpointErrors: number;
}

/** The data of a resume, and its options. */
export interface Answer {
  readonly data: unknown;
  readonly options: ResumeOptions;
}

/** The sequencer runs of one runtime. */
export class Sequencers {
  readonly #home: ScopeHost;
  readonly #leases: RunLeases;
  readonly #active = new Map<string, Run | null>();
  /** Their records. */
  readonly logs: RunLogs;
  /** Called when runs end here, for now. */
  readonly ends: Set<(runId: string) => void> = new Set();
  readonly #known = new WeakMap<AnySequencer, ScopeSettings>();
  #closed = false;

  constructor(home: ScopeHost) {
    this.#home = home;
    this.logs = new RunLogs(home);
    this.#leases = new RunLeases(home, randomUUID());
    home.reports.add((key) => this.#reported(key));
  }

  /** Starts a run, or continues the run of that id. */
  run(sequencer: AnySequencer, options: RunOptions = {}): RunHandle {
    const runId = options.runId ?? `run_${randomUUID()}`;
    let log: RunLog | null = null;
    const start = async (): Promise<RunOutcome> => {
      refuseNoSequencer("run takes a sequencer", sequencer);
      refuseUnknown("run", options, RUN_OPTIONS);
      const given = copyIn(options.input, "input", { depth: 1 });
      return this.#claim(runId, async () => {
        log = await this.logs.open(runId);
        const input = await inputOf(sequencer, given, log);
        const { initial } = this.#settings(sequencer);
        const { scopes } = options;
        const createdAt = this.#home.clock.now();
        if (log.exists) checkSame(log.record, sequencer, input);
        else log.begin(newRecord({ runId, sequencer, input, initial, createdAt, scopes }));
        // Scopes of any state: the steps declare the types.
        return this.#execute(sequencer, log, options.scopes as RunScopes | undefined);
      });
    };
    const result = start();
    // The failure of a result that is never read is logged, not an unhandled rejection.
    let looked = false;
    result.catch((error: unknown) => {
      if (!looked) this.#home.logger.error("a sequencer run failed unseen", { runId, error });
    });
    return {
      runId,
      get result() {
        looked = true;
        return result;
      },
      get checkpointErrors() {
        return log?.errors ?? 0;
      },
    };
  }

  /** Continues a run that was suspended, failed or cut off, with the data of the resume. */
  async resume(sequencer: AnySequencer, runId: string, answer: Answer): Promise<RunOutcome> {
    refuseNoSequencer("resume takes a sequencer", sequencer);
    const suspension = suspensionOption(answer.options);
    const data = copyIn(answer.data, "data", { depth: 2 });
    return this.#claim(runId, async () => {
      const log = await this.logs.open(runId);
      if (!log.exists) throw new TypeError(`there is no run "${runId}" to resume`);
      checkSame(log.record, sequencer);
      const now = this.#home.clock.now();
      const change = answerTo(log.record, { data, suspension, now });
      if (change !== null) return this.#execute(sequencer, log, undefined, change);
      // Resumed before. A run that was cut off after it continues; another is unchanged.
      if (log.record.status === "running") return this.#execute(sequencer, log, undefined);
      return presentOutcome(log.record);
    });
  }

  /** The checkpoints of a run, latest first: the present one and the history of its kind. */
  async checkpoints(runId: string): Promise<readonly Checkpoint[]> {
    const log = this.logs.inMemory.get(runId) ?? (await this.logs.open(runId));
    if (!log.exists) return [];
    const { record, version } = log;
    return [checkpointOf(record, version), ...record.history];
  }

  /** Ends every run; when this has resolved, each can be resumed, here or elsewhere. */
  async close(): Promise<void> {
    this.#closed = true;
    const given = this.#leases.stop();
    for (const run of this.#active.values()) run?.stop();
    // An unstored record keeps its lease; the runs themselves have rejected.
    await Promise.allSettled([given, this.logs.flush()]);
    this.#leases.close();
  }

  /** Cancels a run, here or elsewhere; resolves to whether this call did. */
  async cancel(runId: string): Promise<boolean> {
    if (this.#closed) throw new RuntimeClosedError();
    const run = this.#active.get(runId);
    const log = this.logs.inMemory.get(runId);
    if (run?.cancel() !== true || log === undefined) return this.logs.cancel(runId);
    await log.flush();
    return true;
  }

  /** Resumes due runs of these sequencers, now and from now on. */
  recover(sequencers: readonly AnySequencer[], options: RecoverOptions = {}): RecoveryHandle {
    if (this.#closed) throw new RuntimeClosedError();
    const isClosed = (): boolean => this.#closed;
    const port: RecoveryPort = {
      home: this.#home,
      logs: this.logs,
      leases: this.#leases,
      ends: this.ends,
      get closed() {
        return isClosed();
      },
      active: (runId) => this.#active.has(runId),
      continue: (sequencer, runId) => this.#continue(sequencer, runId),
    };
    return new Recovery(port, sequencers, options);
  }

  /** Continues a run that was interrupted, or whose suspension has ended by its time. */
  #continue(sequencer: AnySequencer, runId: string): Promise<unknown> {
    return this.#claim(runId, async () => {
      const log = await this.logs.open(runId);
      if (!log.exists || !["running", "suspended"].includes(log.record.status))
        return { status: "completed", output: undefined, state: {} };
      checkSame(log.record, sequencer);
      return this.#execute(sequencer, log, undefined);
    });
  }

  /** Another owner changed a record: a run here may be cancelled, or taken over. */
  #reported(key: string | null): void {
    if (this.#active.size === 0) return;
    const prefix = this.#home.key("sequencer", "");
    for (const [runId, run] of this.#active)
      if (run !== null && (key === null || key === prefix + runId)) void this.#look(run);
  }

  async #look(run: Run): Promise<void> {
    // A read that fails is made by the next renewal.
    const stored = await this.logs.stored(run.runId).catch(() => undefined);
    if (stored?.status === "cancelled") run.cancelled();
  }

  /** The settings of all runs of a sequencer; made once. */
  #settings(sequencer: AnySequencer): ScopeSettings {
    let settings = this.#known.get(sequencer);
    if (settings === undefined) {
      settings = runSettings(sequencer, this.#home);
      this.#known.set(sequencer, settings);
    }
    return settings;
  }

  /** One execution per run in this runtime. */
  async #claim(runId: string, work: () => Promise<RunOutcome>): Promise<RunOutcome> {
    if (this.#closed) throw new RuntimeClosedError();
    if (this.#active.has(runId)) throw new RunLeasedError({ runId, holder: "this runtime" });
    this.#active.set(runId, null);
    try {
      return await work();
    } finally {
      this.#active.delete(runId);
    }
  }

  async #execute(
    sequencer: AnySequencer,
    log: RunLog,
    given: RunScopes | undefined,
    change: Partial<StoredRun> = {},
  ): Promise<RunOutcome> {
    const { record } = log;
    if (record.status === "completed" || record.status === "cancelled")
      return presentOutcome(record);
    const over = timeOver(record, this.#home.clock.now());
    const next = { ...newTries(record), ...over, ...change, ...goingOn(record, sequencer) };
    const { suspension } = { ...record, ...next };
    if (suspension !== null) return { status: "suspended", suspension };
    // Before the lease is taken: when a scope cannot be opened, the run is unchanged.
    const scopes = given ?? (await reopened(this.#home, record.scopes));
    this.logs.inMemory.set(record.runId, log);
    try {
      const leasedAt = await this.#leases.take(log, sequencer.leaseMs, next);
      return await this.#run(sequencer, log, { scopes, leasedAt });
    } finally {
      this.logs.ended(log);
      for (const ended of this.ends) ended(record.runId);
    }
  }

  async #run(
    sequencer: AnySequencer,
    log: RunLog,
    given: { readonly scopes: RunScopes; readonly leasedAt: number },
  ): Promise<RunOutcome> {
    const settings = this.#settings(sequencer);
    const { runtime } = this.#leases;
    const run = new Run({ home: this.#home, sequencer, log, runtime, settings, ...given });
    this.#active.set(log.record.runId, run);
    if (this.#closed) run.stop();
    else if (log.shared) run.renew();
    if (log.shared) this.#home.watch();
    try {
      return await runSteps(run, namesOf(sequencer), log);
    } catch (error) {
      await this.#failed(run, log, error);
      if (run.lost && isHoldfastError(error, "RUN_LEASED")) await this.#look(run);
      throw run.reason ?? error;
    } finally {
      await run.end();
    }
  }

  /** Stores the failure, unless the lease was lost or the run was only cut off. */
  async #failed(run: Run, log: RunLog, error: unknown): Promise<void> {
    if (run.lost) return;
    // With all steps done only the write failed: the end is still to be stored. So is that of a
    // run that is suspended again, because data of a resume did not fit.
    const { status, suspension } = run.record;
    const isAsked = suspension !== null && isHoldfastError(error, "STATE_INVALID");
    if (status !== "completed" && !isAsked) run.fail(error);
    await log.flush().catch((cause: unknown) => {
      const { id: runId } = log.identity;
      this.#home.logger.error("a failed run could not be written down", { runId, error, cause });
    });
  }
}
