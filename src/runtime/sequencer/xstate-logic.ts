/**
 * A sequencer run as XState actor logic: invoke it from a machine, wait for it, watch its end.
 *
 * The run itself is plain code (a machine step costs more than a whole run); the actor is its
 * promise. Its output is the run's outcome, so a suspended run is `done` with `status:
 * "suspended"`, and a step that throws makes the actor's `error`. Stopping the actor does not stop
 * the run: it is stored, and continues.
 */
import { fromPromise, type PromiseActorLogic } from "xstate";
import type { RunOutcome } from "./run-port.ts";

/** Input of the logic: how the run is started or continued. */
export interface SequencerLogicInput {
  /** Called once, when the actor starts. */
  readonly start: () => { readonly result: Promise<RunOutcome> } | Promise<RunOutcome>;
}

/** Actor logic of a run; `input: { start: () => runtime.run(sequencer, options) }`. */
export const sequencerLogic: PromiseActorLogic<RunOutcome, SequencerLogicInput> = fromPromise(
  ({ input }) => {
    const started = input.start();
    return "result" in started ? started.result : started;
  },
);
