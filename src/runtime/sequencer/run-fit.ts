/**
 * Whether a stored run may go on under a sequencer: by the names of its steps.
 *
 * Invariants
 *  N1  A run goes on only under steps that begin with the names of its finished steps and have the
 *      step it stands in at that place, or where `onChange` says. So a deploy neither skips a step
 *      nor runs a finished one again.
 *  N2  What is decided here is written with the lease, in one write; a refused run is not written.
 *  N3  What earlier releases did not write down is taken to fit: names they did not keep, and the
 *      `runOnce` values they kept for no step belong to the step the run stands in.
 */
import { equal } from "../../../actors/state/equal.ts";
import { SequencerChangedError } from "../../../actors/errors.ts";
import { typeName } from "../../../actors/state/copy.ts";
import type { StoredRun } from "./run-record.ts";
import type { Sequencer } from "./define.ts";

type AnySequencer = Sequencer<never>;

/** The names of a sequencer's steps, in order. */
export function namesOf({ steps }: Pick<AnySequencer, "steps">): readonly string[] {
  return steps.map(({ name }) => name);
}

/** Refuses a run of another sequencer, and one that was started with another input. */
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
 * What changes in the record of a run that goes on under `sequencer`. Throws
 * `SequencerChangedError` when it may not.
 */
export function goingOn(record: StoredRun, sequencer: AnySequencer): Partial<StoredRun> {
  const defined = namesOf(sequencer);
  const definition = sequencer.version ?? null;
  if (fits(record, defined)) {
    const steps = defined.slice(0, record.stepIndex + 1);
    return { definition, steps, ...ownedEffects(record, [defined[record.stepIndex]]) };
  }
  const stored = storedNames(record, defined);
  const index = defined.indexOf(askOnChange({ record, stored, defined, sequencer }));
  const name = defined[index];
  const finished = stored.slice(0, record.stepIndex);
  const moved = { definition, steps: defined.slice(0, index + 1), stepIndex: index };
  const outputs = defined.slice(0, index).map((each) => {
    const at = finished.indexOf(each);
    return at === -1 ? undefined : record.outputs[at];
  });
  // Answers and failures are those of the step the run stood in.
  const begins = { status: "running", suspension: null, answers: [], error: null } as const;
  const present = stored[record.stepIndex];
  const effects = ownedEffects(record, [name, present]);
  return { ...moved, outputs, ...(name === present ? {} : begins), ...effects };
}

function fits({ steps, stepIndex, status }: StoredRun, defined: readonly string[]): boolean {
  if (!steps.every((name, index) => defined[index] === name)) return false;
  if (stepIndex < defined.length) return true;
  // An earlier release calls a run failed whose end could not be stored.
  return stepIndex === defined.length && (stepIndex === 0 || status === "failed");
}

/** The names of the finished steps and of the present one, as far as they are known. */
function storedNames({ steps, stepIndex }: StoredRun, defined: readonly string[]): string[] {
  const unknown = (index: number): string => defined[index] ?? `#${index}`;
  return Array.from({ length: stepIndex + 1 }, (_, index) => steps[index] ?? unknown(index));
}

interface Question {
  readonly record: StoredRun;
  readonly stored: readonly string[];
  readonly defined: readonly string[];
  readonly sequencer: AnySequencer;
}

/** The step at which `onChange` lets the run go on. */
function askOnChange({ record, stored, defined, sequencer }: Question): string {
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

/** The `runOnce` values an earlier release kept by key alone, under the steps that may need it. */
function ownedEffects(
  { once }: StoredRun,
  steps: readonly (string | undefined)[],
): Partial<StoredRun> {
  if (once === undefined) return {};
  const effects = Object.fromEntries(steps.map((step) => [step ?? "", once]));
  return { once: undefined, effects };
}
