/**
 * Forks of runs: a new run that stands where another one stood at the begin of a step.
 *
 * Invariants
 *  G1  A fork has the input, the scopes and, of the finished steps before its own, the names, the
 *      outputs and the `runOnce` values. Nothing of its own step and of later ones is copied.
 *  G2  Its state is that of the boundary: the present one when no step since has changed it, else a
 *      checkpoint of the boundary. Without either there is no fork, rather than one with another
 *      state.
 *  G3  An earlier release, and a move by `onChange`, write a boundary without `unchanged`: what is
 *      stored of it counts for the boundary that it names only.
 *  G4  The run that is forked is read as it is stored, and not changed.
 */
import { HistoryGoneError } from "../../../actors/errors.ts";
import { typeName } from "../../../actors/state/copy.ts";
import type { AnySequencer } from "./define.ts";
import { namesOf, storedNames } from "./run-fit.ts";
import { STEP_BEGINS } from "./run-port.ts";
import type { RunLog, StoredRun } from "./run-record.ts";

/** Options of `forkRun`. */
export interface ForkRunOptions {
  /** The name of the step with which the fork begins; the run has finished it, or stands in it. */
  readonly fromStep: string;
  /** Names the fork; default a new id. */
  readonly newRunId?: string | undefined;
}

/** A fork that is being made. */
export interface NewFork {
  readonly runId: string;
  readonly fromStep: string;
  readonly createdAt: number;
}

/**
 * The record of a fork that has not begun; see the head of this file. Throws `TypeError` for an
 * unknown step, `RangeError` for one that the run has not reached.
 */
export function forkedRecord(
  source: RunLog,
  sequencer: AnySequencer,
  { runId, fromStep, createdAt }: NewFork,
): StoredRun {
  const { record } = source;
  const names = reachedSteps(record, sequencer);
  const stepIndex = names.indexOf(fromStep);
  if (stepIndex === -1) throw unreached(names, sequencer, { runId: record.runId, fromStep });
  const kept = names.slice(0, stepIndex);
  const effects = Object.entries(record.effects).filter(([step]) => kept.includes(step));
  return {
    ...record,
    ...STEP_BEGINS,
    ...stateOf(source, stepIndex),
    runId,
    steps: Object.freeze([...kept, fromStep]),
    stepIndex,
    outputs: Object.freeze(record.outputs.slice(0, stepIndex)),
    effects: Object.freeze(Object.fromEntries(effects)),
    once: undefined,
    status: "running",
    suspension: null,
    answered: Object.freeze([]),
    error: null,
    lease: null,
    wakeAt: null,
    createdAt,
    updatedAt: createdAt,
    ends: Object.freeze([]),
    history: Object.freeze([]),
  };
}

/** The first boundary with the present state. */
export function unchangedSince({ unchanged, stepIndex }: StoredRun): number {
  return unchanged.at === stepIndex ? unchanged.since : stepIndex;
}

/** The state at a boundary (G2). */
function stateOf(
  { record, version, identity: scope }: RunLog,
  stepIndex: number,
): Partial<StoredRun> {
  const since = unchangedSince(record);
  const at = stepIndex;
  if (since <= at) return { unchanged: Object.freeze({ since, at }) };
  const step = record.steps[stepIndex];
  // Earlier releases stored checkpoints without the name of the step.
  const kept = record.history.find((each) =>
    each.step === undefined ? each.stepIndex === stepIndex : each.step === step,
  );
  const oldest = record.history.at(-1)?.version ?? version;
  if (kept === undefined) throw new HistoryGoneError({ oldest }, { scope });
  return { state: kept.state, unchanged: Object.freeze({ since: at, at }) };
}

/** The names of the finished steps, and of the current one of a run that is not completed. */
function reachedSteps(record: StoredRun, sequencer: AnySequencer): readonly string[] {
  const names = storedNames(record, namesOf(sequencer));
  return record.status === "completed" ? names.slice(0, record.stepIndex) : names;
}

function unreached(
  names: readonly string[],
  sequencer: AnySequencer,
  { runId, fromStep }: Omit<NewFork, "createdAt">,
): Error {
  const defined = namesOf(sequencer);
  if (defined.includes(fromStep))
    return new RangeError(`run "${runId}" has not reached "${fromStep}", only ${listed(names)}`);
  const what = typeof fromStep === "string" ? `"${fromStep}"` : typeName(fromStep);
  return new TypeError(
    `fromStep must name a step of "${sequencer.name}", not ${what}; these are ${listed(defined)}`,
  );
}

function listed(steps: readonly string[]): string {
  return steps.map((each) => `"${each}"`).join(", ");
}
