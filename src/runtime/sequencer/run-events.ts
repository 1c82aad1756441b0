/**
 * What happens in a run, derived from the differences between two of its stored records. So the
 * events of a run are the same in each process, and none is seen before it is stored.
 */
import type { RunFailure, Suspension } from "./run-port.ts";
import type { StoredRun } from "./run-record.ts";

/** The fields of every event. */
interface AboutRun {
  readonly runId: string;
  /** The name of the sequencer. */
  readonly sequencer: string;
  /** When the record was stored that has the event, in milliseconds since the epoch. */
  readonly timestamp: number;
}

/** The run has begun. */
export interface RunStartedEvent extends AboutRun {
  readonly type: "started";
}

/** A step is finished. */
export interface RunStepEvent extends AboutRun {
  readonly type: "step";
  readonly step: string;
  readonly stepIndex: number;
  /** The result of the step. */
  readonly output: unknown;
}

/** The run waits for a resume. */
export interface RunSuspendedEvent extends AboutRun {
  readonly type: "suspended";
  readonly step: string;
  readonly suspension: Suspension;
}

/** A suspension has ended, or another owner continues an interrupted or failed run. */
export interface RunResumedEvent extends AboutRun {
  readonly type: "resumed";
  readonly step: string;
  /** The suspension that has ended; absent when the run was interrupted or had failed. */
  readonly suspension?: Pick<Suspension, "id">;
}

/** A try of a step failed, and another one follows. */
export interface RunRetriedEvent extends AboutRun {
  readonly type: "retried";
  readonly step: string;
  /** The number of the try that follows: 2 and up. */
  readonly attempt: number;
  /** Why the try before it failed. */
  readonly error: RunFailure;
}

/** The last step is finished. */
export interface RunCompletedEvent extends AboutRun {
  readonly type: "completed";
  /** The result of the last step. */
  readonly output: unknown;
}

/** The last try of a step failed. */
export interface RunFailedEvent extends AboutRun {
  readonly type: "failed";
  readonly step: string;
  readonly error: RunFailure;
}

/** The run was cancelled. */
export interface RunCancelledEvent extends AboutRun {
  readonly type: "cancelled";
  /** The step where it stood. */
  readonly step: string;
}

/** What `events()` of a run and `runtime.watchRun` yield. */
export type RunEvent =
  | RunStartedEvent
  | RunStepEvent
  | RunSuspendedEvent
  | RunResumedEvent
  | RunRetriedEvent
  | RunCompletedEvent
  | RunFailedEvent
  | RunCancelledEvent;

/** The events of a status that ends a run. */
const ENDS: ReadonlySet<string> = new Set(["completed", "failed", "cancelled"]);

/** True for a run that executes no more steps unless a failed one is resumed. */
export function isEnded({ status }: StoredRun): boolean {
  return ENDS.has(status);
}

/**
 * The events between two records of a run, in order; `null` is before the run. Of what both lack,
 * such as a suspension that was asked and resumed between them, only the end is an event.
 */
export function eventsBetween(before: StoredRun | null, after: StoredRun): RunEvent[] {
  const { runId, sequencer, updatedAt: timestamp, createdAt } = after;
  const about: AboutRun = { runId, sequencer, timestamp };
  const events: RunEvent[] = [];
  if (before === null) events.push({ ...about, type: "started", timestamp: createdAt });
  else if (isContinued(before, after))
    events.push({ ...about, type: "resumed", step: stepOf(before, before.stepIndex) });
  events.push(...stepsBetween(about, before, after));
  const { suspension, error, tries } = after;
  const step = stepOf(after, after.stepIndex);
  if (isRetried(before, after) && error !== null)
    events.push({ ...about, type: "retried", step, attempt: tries + 1, error });
  if (suspension !== null && suspension.id !== before?.suspension?.id)
    events.push({ ...about, type: "suspended", step, suspension });
  const end = before?.status === after.status ? null : endOf(about, after);
  return end === null ? events : [...events, end];
}

/** The finished steps, each after the suspensions in it that have ended. */
function stepsBetween(about: AboutRun, before: StoredRun | null, after: StoredRun): RunEvent[] {
  const events: RunEvent[] = [];
  const resumed = resumedSince(before, after);
  for (let stepIndex = before?.stepIndex ?? 0; stepIndex <= after.stepIndex; stepIndex += 1) {
    const step = stepOf(after, stepIndex);
    for (const each of resumed)
      if (each.step === step)
        events.push({ ...about, type: "resumed", step, suspension: { id: each.id } });
    if (stepIndex === after.stepIndex) break;
    events.push({ ...about, type: "step", step, stepIndex, output: after.outputs[stepIndex] });
  }
  return events;
}

/** The event of the end of a run; `null` when it has none. */
function endOf(about: AboutRun, after: StoredRun): RunEvent | null {
  const { status, error, outputs } = after;
  const step = stepOf(after, after.stepIndex);
  if (status === "completed") return { ...about, type: "completed", output: outputs.at(-1) };
  if (status === "cancelled") return { ...about, type: "cancelled", step };
  if (status !== "failed" || error === null) return null;
  return { ...about, type: "failed", step, error };
}

/** True when a try of the present step failed, and another one follows. */
function isRetried(before: StoredRun | null, { status, tries, stepIndex }: StoredRun): boolean {
  const known = before?.stepIndex === stepIndex ? before.tries : 0;
  return tries > known && status !== "failed";
}

/** True when a failed or interrupted run goes on. */
function isContinued(before: StoredRun, after: StoredRun): boolean {
  if (before.status === "failed") return after.status !== "failed";
  if (before.status !== "running" || after.lease === null) return false;
  return before.lease?.runtime !== after.lease.runtime;
}

/** The suspensions that have ended, in order, with their steps. */
function resumedSince(
  before: StoredRun | null,
  after: StoredRun,
): readonly { readonly id: string; readonly step: string }[] {
  const known = new Set(before?.answered.map(({ id }) => id));
  const ended = after.answered.filter(({ id }) => !known.has(id) && id !== after.suspension?.id);
  const open = before?.suspension ?? null;
  // One whose time was over has no answer.
  const isOpen = open === null || open.id === after.suspension?.id || after.status === "cancelled";
  if (before === null || isOpen || ended.some(({ id }) => id === open.id)) return ended;
  return [{ id: open.id, step: stepOf(before, before.stepIndex) }, ...ended];
}

/** The name of a step; records of earlier releases may lack it. */
function stepOf({ steps }: StoredRun, index: number): string {
  return steps[index] ?? "";
}
