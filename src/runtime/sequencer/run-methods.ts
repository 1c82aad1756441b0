/**
 * The methods of a runtime for runs of sequencers.
 */
import type { AnySequencer, Sequencer } from "./define.ts";
import type { ResumeOptions } from "./run-answer.ts";
import type { RunOutcome } from "./run-port.ts";
import type { Checkpoint } from "./run-record.ts";
import type { RecoverOptions, RecoveryHandle } from "./recovery.ts";
import type { ForkRunOptions } from "./run-fork.ts";
import type { RunEvent } from "./run-events.ts";
import type { WatchOptions } from "./run-watch.ts";
import type { RunInfo, RunsOptions } from "./run-logs.ts";
import type { ScopeHost } from "../scope-host.ts";
import { type RunHandle, type RunOptions, Sequencers } from "./sequencers.ts";

/** The input that `run` takes for a sequencer. */
export type GivenOf<Q> =
  Q extends Sequencer<infer _S, infer _Input, infer _Output, infer Given> ? Given : unknown;
/**
 * The options of `run`, which must have an input where the schema takes no `undefined`. Its type
 * depends on nothing else, so that a generic call in its place, such as the `json()` of a request,
 * is inferred.
 */
export type RunArguments<Given> = undefined extends Given
  ? [options?: RunOptionsOf<Given>]
  : [options: RunOptionsOf<Given>];
type RunOptionsOf<Given> = Omit<RunOptions, "input"> &
  (undefined extends Given ? { readonly input?: Given } : { readonly input: Given });
/** The outcome of a run of a sequencer. */
export type OutcomeOf<Q> =
  Q extends Sequencer<infer S, infer _Input, infer Output, infer _Given>
    ? RunOutcome<Output, S>
    : RunOutcome;
/** The handle of a run of a sequencer. */
export type HandleOf<Q> =
  Q extends Sequencer<infer S, infer _Input, infer Output, infer _Given>
    ? RunHandle<Output, S>
    : RunHandle;

/** The methods of a runtime for runs. */
export interface RunMethods {
  /** Starts a run of a sequencer, or continues the run of that id. */
  readonly run: <Q extends AnySequencer>(
    sequencer: Q,
    ...options: RunArguments<GivenOf<Q>>
  ) => HandleOf<Q>;
  /**
   * Continues a run that was suspended, failed or cut off; `data` is the result of its suspension.
   * Rejects with `RunLeasedError` while another owner runs it, `RunNotFoundError` when there is no
   * such run, `SuspensionMismatchError` when it waits for another suspension than `options` name,
   * `StateValidationError` when the data does not fit the schema of the suspension,
   * `RunCancelledError` when it was cancelled, and `SequencerChangedError` when its stored steps
   * are not those of the sequencer.
   */
  readonly resume: <Q extends AnySequencer>(
    sequencer: Q,
    runId: string,
    data?: unknown,
    options?: ResumeOptions,
  ) => Promise<OutcomeOf<Q>>;
  /**
   * Starts a new run that stands where the run of `runId` stood at the begin of `fromStep`: with
   * its input, its scopes, its state, and the outputs and `runOnce` values of the steps before. The
   * `result` rejects with `RunNotFoundError` when there is no such run, `ScopeExistsError` when the
   * new id is in use, `TypeError` for an unknown step, `RangeError` for one that the run has not
   * reached, `HistoryGoneError` when the state of that time is not kept (later steps changed it,
   * and the `history` of the kind has no checkpoint of it), and `SequencerChangedError` as in
   * `resume`.
   */
  readonly forkRun: <Q extends AnySequencer>(
    sequencer: Q,
    runId: string,
    options: ForkRunOptions,
  ) => HandleOf<Q>;
  /** The checkpoints of a run, latest first; none when there is no such run. */
  readonly checkpoints: (runId: string) => Promise<readonly Checkpoint[]>;
  /**
   * The runs of all processes, in the order of their ids; then those that are in memory only. Reads
   * a hundred records at once. Rejects with `TypeError` for an unknown option, `RangeError` for an
   * unknown status.
   */
  readonly runs: (options?: RunsOptions) => AsyncIterable<RunInfo>;
  /**
   * What happens in a run, wherever it executes: first what its record tells of the time before,
   * of an ended run only its end. Otherwise as `events` of a run. `next` rejects with
   * `RunNotFoundError` when there is no such run.
   */
  readonly watchRun: (runId: string, options?: WatchOptions) => AsyncIterableIterator<RunEvent>;
  /**
   * Cancels a run, wherever it executes: its `result` rejects with `RunCancelledError`, and so does
   * each later resume. A process that executes it ends it when the store reports the change, or at
   * its next write. Resolves to whether this call cancelled it: false when it was completed or
   * cancelled before. Rejects with `RunNotFoundError` when there is no such run.
   */
  readonly cancel: (runId: string) => Promise<boolean>;
  /**
   * Resumes the interrupted runs of these sequencers, now and until `stop` or the end of the
   * runtime: runs whose lease is over, whose sleep is over, or whose suspension has ended by its
   * time. Other suspended runs, and failed and cancelled ones, are left alone, and so are runs that
   * do not fit the steps, which are logged once. A run whose step ends its process each time fails:
   * see `maxStarts`. Throws `TypeError` for what is no sequencer, `RangeError` for a bad interval.
   */
  readonly recover: (
    sequencers: readonly AnySequencer[],
    options?: RecoverOptions,
  ) => RecoveryHandle;
}

/** The runs of one runtime. */
export interface RunsOfRuntime {
  readonly methods: RunMethods;
  /** Ends every run; when this has resolved, each can be resumed, here or elsewhere. */
  readonly close: () => Promise<void>;
}

/** Makes the methods for the runs of one runtime. */
export function runsOf(home: ScopeHost): RunsOfRuntime {
  const sequencers = new Sequencers(home);
  const methods: RunMethods = {
    // The steps of a sequencer make its outputs and its state; so for others.
    run: <Q extends AnySequencer>(sequencer: Q, options?: RunOptions) =>
      sequencers.run(sequencer, options) as HandleOf<Q>,
    resume: <Q extends AnySequencer>(
      sequencer: Q,
      runId: string,
      data?: unknown,
      options: ResumeOptions = {},
    ) => sequencers.resume(sequencer, runId, { data, options }) as Promise<OutcomeOf<Q>>,
    forkRun: <Q extends AnySequencer>(sequencer: Q, runId: string, options: ForkRunOptions) =>
      sequencers.forkRun(sequencer, runId, options) as HandleOf<Q>,
    checkpoints: (runId) => home.calls.run(() => sequencers.checkpoints(runId)),
    runs: (options) => sequencers.logs.list(options),
    watchRun: (runId, options = {}) => sequencers.watch.watch(runId, options),
    cancel: (runId) => sequencers.cancel(runId),
    recover: (given, options) => sequencers.recover(given, options),
  };
  return { methods, close: () => sequencers.close() };
}
