/**
 * Ends of suspensions: which suspension a resume is for, when the time of one is over, and the
 * outcome of a run that needs none.
 */
import { RunCancelledError, SuspensionMismatchError } from "../../../actors/errors.ts";
import type { RunOutcome } from "./run-port.ts";
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

/** A resume, as it reaches the record. */
export interface GivenAnswer {
  readonly data: unknown;
  readonly suspension: string | undefined;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/**
 * The changes of a resume to a run's record: none when the run waits for no suspension, `null` when
 * this suspension was resumed before, or the run was cancelled. A suspension whose time is over
 * ends by that. Throws `SuspensionMismatchError` for an id of no suspension of the run.
 */
export function answerTo(
  record: StoredRun,
  { data, suspension: received, now }: GivenAnswer,
): Partial<StoredRun> | null {
  const { runId, status, suspension, answered, answers, steps, stepIndex } = record;
  if (received !== undefined && received !== suspension?.id) {
    // A cancelled run waits for none; its outcome says so, whichever it is asked for.
    if (status === "cancelled" || answered.some(({ id }) => id === received)) return null;
    const scope = { type: "sequencer", id: runId };
    throw new SuspensionMismatchError({ runId, expected: suspension?.id, received }, { scope });
  }
  if (suspension === null) return {};
  const over = timeOver(record, now);
  if (over !== null) return over;
  const mine = Object.freeze({ id: suspension.id, step: steps[stepIndex] ?? "" });
  return {
    suspension: null,
    answering: suspension,
    answers: Object.freeze([...answers, data]),
    answered: Object.freeze([...answered, mine].slice(-ANSWERED_MAX)),
  };
}

/** The changes of a run whose suspension has ended by its time; `null` when none has. */
export function timeOver(
  { suspension, answers, timedOut }: StoredRun,
  now: number,
): Partial<StoredRun> | null {
  if (suspension?.timeoutAt === undefined || now < suspension.timeoutAt) return null;
  return {
    suspension: null,
    answering: null,
    answers: Object.freeze([...answers, null]),
    timedOut: Object.freeze([...timedOut, answers.length]),
  };
}

/**
 * The changes of a failed run that is resumed: new tries. A suspension whose end by time was the
 * last thing before the failure is asked anew.
 */
export function newTries({ status, answers, timedOut }: StoredRun): Partial<StoredRun> {
  if (status !== "failed") return {};
  const last = answers.length - 1;
  const begins = { tries: 0, starts: 0 };
  if (!timedOut.includes(last)) return begins;
  const earlier = Object.freeze(timedOut.filter((index) => index !== last));
  return { ...begins, answers: Object.freeze(answers.slice(0, -1)), timedOut: earlier };
}

/** The last outcome of a run that does not execute; throws when it failed or was cancelled. */
export function presentOutcome(record: StoredRun): RunOutcome {
  const { runId, status, suspension, outputs, state } = record;
  if (status === "cancelled") throw new RunCancelledError(runId);
  if (status === "failed") throw failureError(record);
  if (suspension !== null) return { status: "suspended", suspension };
  return { status: "completed", output: outputs.at(-1), state };
}
