/**
 * Answers of suspensions: which question an answer is for, and how a run stands that needs none.
 */
import { SuspensionMismatchError } from "../../../actors/errors.ts";
import type { RunOutcome } from "./steps.ts";
import { typeName } from "../../../actors/state/copy.ts";
import { failureError } from "./run-failure.ts";
import type { StoredRun } from "./run-record.ts";
import { refuseUnknown } from "../../../actors/scope/options.ts";

/** Ids of answered suspensions kept with a run; an answer to an older one is a mismatch. */
const ANSWERED_MAX = 100;

/** Options of one resume. */
export interface ResumeOptions {
  /**
   * The id of the suspension that is answered. A run that waits for another one is left as it is,
   * and an answer that comes again changes nothing. Default: whichever the run waits for.
   */
  readonly suspension?: string | undefined;
}

/** The suspension that is answered, as the options say it. */
export function suspensionOption(options: ResumeOptions): string | undefined {
  refuseUnknown("resume", options, ["suspension"]);
  const { suspension } = options;
  if (suspension !== undefined && (typeof suspension !== "string" || suspension === ""))
    throw new TypeError(`suspension must be an id, received ${typeName(suspension)}`);
  return suspension;
}

/**
 * What an answer changes in a run's record: nothing when the run waits for none, `null` when this
 * suspension has its answer. Throws `SuspensionMismatchError` when it is not the run's.
 */
export function answerTo(
  record: StoredRun,
  data: unknown,
  received: string | undefined,
): Partial<StoredRun> | null {
  const { runId, suspension, answered, answers, steps, stepIndex } = record;
  if (received !== undefined && received !== suspension?.id) {
    if (answered.some(({ id }) => id === received)) return null;
    const scope = { type: "sequencer", id: runId };
    throw new SuspensionMismatchError({ runId, expected: suspension?.id, received }, { scope });
  }
  if (suspension === null) return {};
  const mine = Object.freeze({ id: suspension.id, step: steps[stepIndex] ?? "" });
  return {
    suspension: null,
    answers: Object.freeze([...answers, data]),
    answered: Object.freeze([...answered, mine].slice(-ANSWERED_MAX)),
  };
}

/** How a run that does not execute ended last; throws when it failed. */
export function presentOutcome(record: StoredRun): RunOutcome {
  const { status, suspension, outputs, state } = record;
  if (status === "failed") throw failureError(record);
  if (suspension !== null) return { status: "suspended", suspension };
  return { status: "completed", output: outputs.at(-1), state };
}
