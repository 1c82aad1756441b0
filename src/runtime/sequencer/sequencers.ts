/**
 * Runs sequencers on a runtime: new runs, runs that were cut off, suspended runs.
 */
import { isHoldfastError, RuntimeClosedError, ScopeExistsError } from "../../../actors/errors.ts";
import { optionNames, refuseUnknown } from "../../../actors/scope/options.ts";
import { copyIn } from "../../../actors/state/copy.ts";
import type { ScopeHost } from "../scope-host.ts";
import { type AnySequencer, refuseNoSequencer } from "./define.ts";
import { noteLogs, noteSequencer } from "./definitions.ts";
import { Executions } from "./executions.ts";
import { answerTo, presentOutcome, suspensionOption, type ResumeOptions } from "./run-answer.ts";
import { type GivenScopes, inputOf, newRecord, reopened, scopesOption } from "./run-begin.ts";
import { RunChanges } from "./run-changes.ts";
import { checkSame, goingOn } from "./run-fit.ts";
import { forkedRecord, type ForkRunOptions } from "./run-fork.ts";
import { RunLogs } from "./run-logs.ts";
import type { RunOutcome } from "./run-port.ts";
import { checkpointOf, copyOf, type Checkpoint, type RunLog } from "./run-record.ts";
import type { RunEvent } from "./run-events.ts";
import { RunWatch, type WatchOptions } from "./run-watch.ts";
import {
  Recovery,
  type RecoverOptions,
  type RecoveryHandle,
  type RecoveryPort,
} from "./recovery.ts";
import { randomUUID } from "../../stores/shared/node-crypto.ts";

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
const FORK_OPTIONS = optionNames<ForkRunOptions>({ fromStep: true, newRunId: true });

/** A run that was started. */
export interface RunHandle<Output = unknown, S extends object = object> {
  readonly runId: string;
  /** The outcome; rejects with what a step threw, or when the end could not be stored. */
  readonly result: Promise<RunOutcome<Output, S>>;
  /** Checkpoint writes that failed so far. */
  readonly checkpointErrors: number;
  /**
   * What happens in the run, from its start, also where another process continues it. Ends when the
   * run has completed, failed or was cancelled, and with the runtime. A slow reader misses no step.
   */
  readonly events: (options?: WatchOptions) => AsyncIterableIterator<RunEvent>;
}

/** A run that is being started. */
interface Start {
  /** Its record, once it is open. */
  log: RunLog | null;
  /** Called when the run has its lease, or ended without one. */
  begun: () => void;
}

/** The data of a resume, and its options. */
export interface Answer {
  readonly data: unknown;
  readonly options: ResumeOptions;
}

/** The sequencer runs of one runtime. */
export class Sequencers {
  readonly #home: ScopeHost;
  readonly #executions: Executions;
  /** Their records. */
  readonly logs: RunLogs;
  /** Their events. */
  readonly watch: RunWatch;

  constructor(home: ScopeHost) {
    this.#home = home;
    this.logs = new RunLogs(home);
    noteLogs(home, this.logs);
    this.#executions = new Executions(home, this.logs);
    this.watch = new RunWatch(home, this.logs);
    new RunChanges(home, this.logs).begin();
  }

  /** Starts a run, or continues the run of that id. */
  run(sequencer: AnySequencer, options: RunOptions = {}): RunHandle {
    const runId = options.runId ?? newRunId();
    return this.#handle(runId, (start) => {
      refuseNoSequencer("run takes a sequencer", sequencer);
      noteSequencer(this.#home, sequencer);
      refuseUnknown("run", options, RUN_OPTIONS);
      const given = scopesOption(options.scopes);
      const copied = copyIn(options.input, "input", { depth: 1 });
      return this.#executions.claim(runId, async () => {
        const isNew = options.runId === undefined;
        const log = isNew ? this.logs.fresh(runId) : await this.logs.open(runId);
        start.log = log;
        const input = await inputOf(sequencer, copied, log);
        const { initial } = this.#executions.rule(sequencer);
        const { scopes } = options;
        const createdAt = this.#home.clock.now();
        if (log.exists) checkSame(log.record, sequencer, input);
        else log.put(newRecord({ runId, sequencer, input, initial, createdAt, scopes }));
        const { begun } = start;
        return this.#executions.execute(sequencer, log, { scopes: given, begun });
      });
    });
  }

  /** Starts a run that begins with a step that another run has reached. */
  forkRun(sequencer: AnySequencer, sourceId: string, options: ForkRunOptions): RunHandle {
    const given: ForkRunOptions | undefined = options; // None, from JavaScript.
    const runId = given?.newRunId ?? newRunId();
    return this.#handle(runId, (start) => {
      refuseNoSequencer("forkRun takes a sequencer", sequencer);
      noteSequencer(this.#home, sequencer);
      refuseUnknown("forkRun", options, FORK_OPTIONS);
      const { fromStep } = options;
      const inUse = (cause?: unknown): ScopeExistsError =>
        new ScopeExistsError({ scope: { type: "sequencer", id: runId }, cause });
      if (this.#executions.active(runId)) throw inUse();
      return this.#executions.claim(runId, async () => {
        const source = await this.logs.open(sourceId);
        checkSame(source.record, sequencer);
        const log = await this.logs.open(runId);
        if (log.exists) throw inUse();
        const createdAt = this.#home.clock.now();
        const record = forkedRecord(source, sequencer, { runId, fromStep, createdAt });
        // Before it begins: a fork that must not run, or cannot, is not stored.
        const going = goingOn(record, sequencer);
        const scopes = await reopened(this.#home, record.scopes);
        log.put(copyOf({ ...record, ...going }));
        start.log = log;
        let isNew = true;
        const begun = (): void => {
          isNew = false;
          start.begun();
        };
        const work = this.#executions.execute(sequencer, log, { scopes, begun });
        return work.catch((error: unknown) => {
          // Another owner has stored a run of this id first.
          const isLeased = isHoldfastError(error, "RUN_LEASED");
          const isTaken = isLeased || isHoldfastError(error, "RUN_CANCELLED");
          throw isNew && isTaken ? inUse(error) : error;
        });
      });
    });
  }

  /** The handle of a run that `work` starts. */
  #handle(runId: string, work: (start: Start) => Promise<RunOutcome>): RunHandle {
    const start: Start = { log: null, begun: () => undefined };
    const begun = new Promise<void>((resolve) => {
      start.begun = resolve;
    });
    const result = attempt(() => work(start));
    // The failure of a result that is never read is logged, not an unhandled rejection.
    let looked = false;
    result.then(start.begun, (error: unknown) => {
      start.begun();
      if (!looked) this.#home.logger.error("a sequencer run failed unseen", { runId, error });
    });
    return {
      runId,
      get result() {
        looked = true;
        return result;
      },
      get checkpointErrors() {
        return start.log?.errors ?? 0;
      },
      events: (options = {}) => this.watch.events(runId, begun, options),
    };
  }

  /** Continues a run that was suspended, failed or cut off, with the data of the resume. */
  async resume(sequencer: AnySequencer, runId: string, answer: Answer): Promise<RunOutcome> {
    refuseNoSequencer("resume takes a sequencer", sequencer);
    noteSequencer(this.#home, sequencer);
    const suspension = suspensionOption(answer.options);
    const data = copyIn(answer.data, "data", { depth: 2 });
    return this.#executions.claim(runId, async () => {
      const log = await this.logs.open(runId);
      checkSame(log.record, sequencer);
      const now = this.#home.clock.now();
      const change = answerTo(log.record, { data, suspension, now });
      if (change !== null) return this.#executions.execute(sequencer, log, { change });
      // Resumed before. A run that was cut off after it continues; another is unchanged.
      if (log.record.status === "running") return this.#executions.execute(sequencer, log, {});
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
    await this.#executions.close();
    this.watch.close();
  }

  /** Cancels a run, here or elsewhere; resolves to whether this call did. */
  async cancel(runId: string): Promise<boolean> {
    if (this.#executions.closed) throw new RuntimeClosedError();
    const isHere = this.#executions.active(runId);
    const cancel = async (): Promise<boolean> =>
      (await this.#executions.cancel(runId)) || this.logs.cancel(runId);
    return cancel().catch(async (error: unknown) => {
      // A new run has no record until its lease is stored.
      if (!isHere || !isHoldfastError(error, "RUN_NOT_FOUND")) throw error;
      await this.#executions.started(runId);
      return cancel();
    });
  }

  /** Resumes due runs of these sequencers, now and from now on. */
  recover(sequencers: readonly AnySequencer[], options: RecoverOptions = {}): RecoveryHandle {
    const { logs } = this;
    const [home, executions] = [this.#home, this.#executions];
    if (executions.closed) throw new RuntimeClosedError();
    const port: RecoveryPort = { home, logs, executions, continue: this.#continue };
    const recovery = new Recovery(port, sequencers, options);
    for (const sequencer of sequencers) noteSequencer(home, sequencer);
    return recovery;
  }

  /** Continues a run that was interrupted, or whose suspension has ended by its time. */
  readonly #continue: RecoveryPort["continue"] = (sequencer, runId, maxStarts) =>
    this.#executions.claim(runId, async () => {
      const log = await this.logs.open(runId);
      if (!log.exists || !["running", "suspended"].includes(log.record.status))
        return { status: "completed", output: undefined, state: {} };
      checkSame(log.record, sequencer);
      // With a lease the run was interrupted by the end of its process.
      const { lease, starts } = log.record;
      const change = lease === null ? {} : { starts: starts + 1 };
      return this.#executions.execute(sequencer, log, { change, maxStarts });
    });
}

/** The promise of `work`; one that rejects with what it throws. */
function attempt<T>(work: () => Promise<T>): Promise<T> {
  try {
    return work();
  } catch (error) {
    return Promise.reject(error);
  }
}

function newRunId(): string {
  return `run_${randomUUID()}`;
}
