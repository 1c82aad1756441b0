/**
 * The methods of a runtime for runs of sequencers.
 */
import type { AnySequencer, Sequencer } from "./define.ts";
import type { ResumeOptions } from "./run-answer.ts";
import type { RunOutcome } from "./run-port.ts";
import type { Checkpoint } from "./run-record.ts";
import type { ScopeHost } from "../scope-host.ts";
import { type RunHandle, type RunOptions, Sequencers } from "./sequencers.ts";

/** The input that `run` takes for a sequencer. */
export type GivenOf<Q> =
  Q extends Sequencer<infer _S, infer _Input, infer _Output, infer Given> ? Given : unknown;
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
    options?: RunOptions<GivenOf<Q>>,
  ) => HandleOf<Q>;
  /**
   * Continues a run that was suspended, failed or cut off; `data` is the result of its suspension.
   * Rejects with `RunLeasedError` while another owner runs it, `TypeError` when there is no such
   * run, `SuspensionMismatchError` when it waits for another suspension than `options` name,
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
  /** The checkpoints of a run, latest first; none when there is no such run. */
  readonly checkpoints: (runId: string) => Promise<readonly Checkpoint[]>;
}

/** The methods for the runs of one runtime, and what ends them all. */
export interface RunsOfRuntime extends RunMethods {
  /** Ends every run; when this has resolved, each can be resumed, here or elsewhere. */
  readonly close: () => Promise<void>;
}

/** Makes the methods for the runs of one runtime. */
export function runsOf(home: ScopeHost): RunsOfRuntime {
  const sequencers = new Sequencers(home);
  return {
    // The steps of a sequencer make its outputs and its state; so for `resume`.
    run: <Q extends AnySequencer>(sequencer: Q, options?: RunOptions) =>
      sequencers.run(sequencer, options) as HandleOf<Q>,
    resume: <Q extends AnySequencer>(
      sequencer: Q,
      runId: string,
      data?: unknown,
      options: ResumeOptions = {},
    ) => sequencers.resume(sequencer, runId, { data, options }) as Promise<OutcomeOf<Q>>,
    checkpoints: (runId) => home.calls.run(() => sequencers.checkpoints(runId)),
    close: () => sequencers.close(),
  };
}
