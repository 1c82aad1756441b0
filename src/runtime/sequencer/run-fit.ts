/**
 * Decides by the names of its steps whether a stored run may continue under a sequencer.
 *
 * Invariants
 *  N1  A run continues only under steps that begin with the names of its finished steps and have
 *      its current step next, or where `onChange` decides. So a deploy neither skips a step nor
 *      runs a finished one again.
 *  N2  The decision is written with the lease, in one write; a refused run is not written.
 *  N3  Data that earlier releases did not store is taken to fit: missing names, and `runOnce`
 *      values without a step, which then belong to the current step.
 */
import { equal } from "../../../actors/state/equal.ts";
import { SequencerChangedError } from "../../../actors/errors.ts";
import { typeName } from "../../../actors/state/copy.ts";
import type { StoredRun } from "./run-record.ts";
import type { AnySequencer } from "./define.ts";
import { STEP_BEGINS } from "./run-port.ts";

/** The names of a sequencer's steps, in order; `count`: of the first ones. */
export function namesOf({ steps }: Pick<AnySequencer, "steps">, count?: number): readonly string[] {
  return steps.slice(0, count).map(({ name }) => name);
}

/** Refuses a run of another sequencer, or with another input. */
export function checkSame(
  { runId, sequencer: stored, input: known }: StoredRun,
  sequencer: AnySequencer,
  input?: unknown,
): void {
  if (stored !== sequencer.name) throw new TypeError(`run "${runId}" is one of "${stored}"`);
  if (input !== undefined && !equal(input, known))
    throw new TypeError(`run "${runId}" was started with another input; give that, or none`);
}

/**
 * The changes to the record of a run that continues under `sequencer`. Throws
 * `SequencerChangedError` when it must not.
 */
export function goingOn(record: StoredRun, sequencer: AnySequencer): Partial<StoredRun> {
  const definition = sequencer.version ?? null;
  if (fits(record, sequencer)) {
    const { stepIndex, once } = record;
    const isKnown = record.definition === definition && record.steps.length === stepIndex + 1;
    if (isKnown && once === undefined) return {};
    const steps = namesOf(sequencer, stepIndex + 1);
    return { definition, steps, ...ownedEffects(record, [steps[stepIndex]]) };
  }
  const defined = namesOf(sequencer);
  const stored = storedNames(record, defined);
  const index = defined.indexOf(askOnChange({ record, stored, defined, sequencer }));
  const name = defined[index];
  const finished = stored.slice(0, record.stepIndex);
  const moved = { definition, steps: defined.slice(0, index + 1), stepIndex: index };
  const outputs = defined.slice(0, index).map((each) => {
    const at = finished.indexOf(each);
    return at === -1 ? undefined : record.outputs[at];
  });
  // Answers, sleeps and failures belong to the step that was current.
  const begins = { ...STEP_BEGINS, status: "running", suspension: null, error: null } as const;
  const present = stored[record.stepIndex];
  const effects = ownedEffects(record, [name, present]);
  return { ...moved, outputs, ...(name === present ? {} : begins), ...effects };
}

function fits({ steps, stepIndex, status }: StoredRun, { steps: defined }: AnySequencer): boolean {
  if (!steps.every((name, index) => defined[index]?.name === name)) return false;
  if (stepIndex < defined.length) return true;
  // An earlier release stored a run as failed when its end could not be stored.
  return stepIndex === defined.length && (stepIndex === 0 || status === "failed");
}

/** The known names of the finished steps and of the current one. */
export function storedNames({ steps, stepIndex }: StoredRun, defined: readonly string[]): string[] {
  const unknown = (index: number): string => defined[index] ?? `#${index}`;
  return Array.from({ length: stepIndex + 1 }, (_, index) => steps[index] ?? unknown(index));
}

/** What `onChange` decides. */
interface StepChange {
  readonly record: StoredRun;
  readonly stored: readonly string[];
  readonly defined: readonly string[];
  readonly sequencer: AnySequencer;
}

/** The step at which `onChange` lets the run continue. */
function askOnChange({ record, stored, defined, sequencer }: StepChange): string {
  const { runId, stepIndex, status, input, state } = record;
  const version = record.definition ?? undefined;
  const outputs = Object.freeze([...record.outputs]);
  const refuse = (cause?: unknown): SequencerChangedError =>
    new SequencerChangedError({ runId, stored, defined }, { scope: scopeOf(runId), cause });
  const { onChange, name } = sequencer;
  if (onChange === undefined) throw refuse();
  let answer: unknown;
  try {
    const names = Object.freeze([...stored]);
    answer = onChange({ runId, version, stored: names, stepIndex, status, input, state, outputs });
  } catch (error) {
    throw refuse(error);
  }
  if (typeof answer === "string" && defined.includes(answer)) return answer;
  const what = typeof answer === "string" ? `"${answer}"` : typeName(answer);
  throw refuse(new TypeError(`onChange of "${name}" gave ${what}, which names no step`));
}

function scopeOf(id: string): { type: string; id: string } {
  return { type: "sequencer", id };
}

/** `runOnce` values that an earlier release stored by key alone, under possible steps. */
function ownedEffects(
  { once }: StoredRun,
  steps: readonly (string | undefined)[],
): Partial<StoredRun> {
  if (once === undefined) return {};
  const effects = Object.fromEntries(steps.map((step) => [step ?? "", once]));
  return { once: undefined, effects };
}
