/**
 * Resumes of suspensions: which suspension a resume is for, and the outcome of a run that needs
 * none.
 */
import { SuspensionMismatchError } from "../../../actors/errors.ts";
import type { RunOutcome } from "./steps.ts";
import { typeName } from "../../../actors/state/copy.ts";
import { failureError } from "./run-failure.ts";
import type { StoredRun } from "./run-record.ts";
import { refuseUnknown } from "../../../actors/scope/options.ts";

/** Most ids of resumed suspensions stored with a run; an older id is a mismatch. */
const ANSWERED_MAX = 100;

/** Options of one resume. */
export interface ResumeOptions {
  /**
   * The id of the suspension to resume. A run that waits for another one is unchanged, and a
   * repeated resume changes nothing. Default: the suspension that the run waits for.
   */
  readonly suspension?: string | undefined;
}

/** The checked `suspension` option. */
export function suspensionOption(options: ResumeOptions): string | undefined {
  refuseUnknown("resume", options, ["suspension"]);
  const { suspension } = options;
  if (suspension !== undefined && (typeof suspension !== "string" || suspension === ""))
    throw new TypeError(`suspension must be an id, received ${typeName(suspension)}`);
  return suspension;
}

/**
 * The changes of a resume to a run's record: none when the run waits for no suspension, `null` when
 * this suspension was resumed before. Throws `SuspensionMismatchError` for an id of no suspension
 * of the run.
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

/** The last outcome of a run that does not execute; throws when it failed. */
export function presentOutcome(record: StoredRun): RunOutcome {
  const { status, suspension, outputs, state } = record;
  if (status === "failed") throw failureError(record);
  if (suspension !== null) return { status: "suspended", suspension };
  return { status: "completed", output: outputs.at(-1), state };
}
