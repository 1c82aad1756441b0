/**
 * Declarations of sequencers: a name, a state, and steps in order.
 */
import type { StateSchema } from "../../../actors/scope/validation.ts";
import { durationOption } from "../../../actors/time/clock.ts";
import type { RunStatus } from "./run-port.ts";
import { typeName } from "../../../actors/state/copy.ts";
import { optionNames, refuseUnknown } from "../../../actors/scope/options.ts";
import { checkSchema, isSchema, type ValueSchema } from "./checked-value.ts";
import type { StepContext } from "./context.ts";
import { type AnyStep, type StepOptions, type StepRules, stepRules } from "./step-rules.ts";

/** Default of `leaseMs`. */
const LEASE_MS = 30_000;

/** One step. */
export interface Step<
  S extends object = Record<string, unknown>,
  Input = unknown,
> extends StepOptions {
  readonly name: string;
  run(context: StepContext<S, Input>): unknown;
}

/** A run whose stored steps differ from those of the sequencer. */
export interface ChangedRun {
  readonly runId: string;
  /** The `version` of the sequencer that stored the run; `undefined` when it had none. */
  readonly version: number | string | undefined;
  /** The names of its finished steps, then of its current step. */
  readonly stored: readonly string[];
  /** How many steps are finished. */
  readonly stepIndex: number;
  readonly status: RunStatus;
  readonly input: unknown;
  readonly state: object;
  /** The results of the finished steps, in order. */
  readonly outputs: readonly unknown[];
}

/** The types that a run of a sequencer takes and gives. */
export interface RunTypes<Given, Output> {
  readonly given: Given;
  readonly output: Output;
}

/**
 * A declared sequencer. `S`: its state; `Input`: what its steps receive; `Output`: the result of
 * its last step; `Given`: the input that `run` takes.
 */
export interface Sequencer<
  S extends object = Record<string, unknown>,
  Input = unknown,
  Output = unknown,
  Given = Input,
> {
  readonly name: string;
  readonly initial: S;
  readonly schema: StateSchema<S> | undefined;
  readonly input: ValueSchema<Input> | undefined;
  readonly steps: readonly Step<S, Input>[];
  /** The checked options of each step, in order. */
  readonly rules: readonly StepRules[];
  readonly leaseMs: number;
  readonly version: number | string | undefined;
  readonly onChange: ((run: ChangedRun) => string) | undefined;
  /** For the compiler only; it has no value. */
  readonly types?: RunTypes<Given, Output>;
  /**
   * The same sequencer with one more step at the end, whose `previous` is the `Output` of this one.
   * Throws `TypeError` for a bad or doubled name and `RangeError` for bad options.
   */
  step<Result>(
    name: string,
    run: (context: StepContext<S, Input, Output>) => Result,
    options?: StepOptions,
  ): Sequencer<S, Input, Awaited<Result>, Given>;
}

/** A sequencer of any types. */
export interface AnySequencer {
  readonly name: string;
  readonly initial: object;
  readonly schema: StateSchema | undefined;
  readonly input: ValueSchema<unknown> | undefined;
  readonly steps: readonly AnyStep[];
  readonly rules: readonly StepRules[];
  readonly leaseMs: number;
  readonly version: number | string | undefined;
  readonly onChange: ((run: ChangedRun) => string) | undefined;
}

/** Throws `TypeError` for what `defineSequencer` did not make; `what` begins the message. */
export function refuseNoSequencer(what: string, given: unknown): void {
  const { name, rules } = Object(given);
  if (typeof name !== "string" || !Array.isArray(rules))
    throw new TypeError(`${what} of defineSequencer, received ${typeName(given)}`);
}

/** The declaration of a sequencer. */
export interface SequencerOptions<S extends object, I = unknown, G = unknown> {
  readonly name: string;
  /** The first state of a run, or a schema whose defaults give it; default `{}`. */
  readonly state?: S | StateSchema<S> | undefined;
  /**
   * Checks the input of each new run, and fills in defaults; steps receive its result. A run whose
   * input does not fit rejects with `StateValidationError`, and nothing is stored.
   */
  readonly input?: ValueSchema<I, G> | undefined;
  /** The steps; default none, for a sequencer whose steps follow by `.step(…)`. */
  readonly steps?: readonly Step<NoInfer<S>, NoInfer<I>>[] | undefined;
  /** Milliseconds without a renewal until another owner may lease a run; default 30 000. */
  readonly leaseMs?: number | undefined;
  /** Names these steps for `onChange`; stored with every run that continues under them. */
  readonly version?: number | string | undefined;
  /**
   * Called when the steps of a stored run differ from those declared here; returns the name of the
   * step at which the run continues. Steps before it count as done; a step of the same name keeps
   * its result and its `runOnce` values. When it throws, or names no step, the run is unchanged and
   * rejects with `SequencerChangedError`. Must be synchronous.
   */
  readonly onChange?: ((run: ChangedRun) => string) | undefined;
}

/** A declaration with all its steps. */
type ListedSteps<S extends object, Input, Given> = SequencerOptions<S, Input, Given> & {
  readonly steps: readonly Step<NoInfer<S>, NoInfer<Input>>[];
};

const OPTIONS = optionNames<SequencerOptions<object>>({
  name: true,
  state: true,
  input: true,
  steps: true,
  leaseMs: true,
  version: true,
  onChange: true,
});
const STEP_FIELDS = optionNames<Step>({ name: true, run: true, retry: true, timeoutMs: true });
const STEP_OPTIONS = optionNames<StepOptions>({ retry: true, timeoutMs: true });

/**
 * A named step. Its result is stored, and is the next step's `previous`. Throws `TypeError` for a
 * missing name or function and an unknown option, `RangeError` for a bad value.
 */
export function step<S extends object = Record<string, unknown>>(
  name: string,
  run: (context: StepContext<S>) => unknown,
  options: StepOptions = {},
): Step<S> {
  refuseUnknown("step", options, STEP_OPTIONS);
  const made = Object.freeze({ ...options, name, run });
  rulesOf(made);
  return made;
}

/** The rules of a step; throws for one that is none. */
function rulesOf(made: Step<never>): StepRules {
  refuseUnknown("a step", made, STEP_FIELDS);
  const { name } = made;
  if (typeof name !== "string" || name === "") throw new TypeError("a step needs a name");
  if (typeof made.run !== "function") throw new TypeError(`step "${name}" needs a function`);
  return stepRules(made);
}

/**
 * Declares a sequencer; the steps are those of `steps`, and of `.step(…)` after it. Throws
 * `TypeError` for a missing or doubled name, a bad version, a bad `onChange` or an unknown option,
 * `RangeError` for a lease.
 */
export function defineSequencer<
  S extends object = Record<string, unknown>,
  Input = unknown,
  Given = Input,
>(options: ListedSteps<S, Input, Given>): Sequencer<S, Input, unknown, Given>;
export function defineSequencer<
  S extends object = Record<string, unknown>,
  Input = unknown,
  Given = Input,
>(options: SequencerOptions<S, Input, Given>): Sequencer<S, Input, undefined, Given>;
export function defineSequencer<S extends object, Input, Given>(
  options: SequencerOptions<S, Input, Given>,
): Sequencer<S, Input, undefined, Given> {
  refuseUnknown("defineSequencer", options, OPTIONS);
  const { name, steps = [], version, onChange, input } = options;
  if (typeof name !== "string" || name === "") throw new TypeError("a sequencer needs a name");
  if (!Array.isArray(steps))
    throw new TypeError(`steps must be a list of steps, received ${typeName(steps)}`);
  const rules = steps.map(rulesOf);
  const names = new Set(steps.map((each) => each.name));
  if (names.size < steps.length)
    throw new TypeError(`two steps of sequencer "${name}" have the same name`);
  checkChange(options);
  checkSchema("input", input);
  const leaseMs = durationOption("leaseMs", options.leaseMs, LEASE_MS);
  if (!(leaseMs > 0)) throw new RangeError(`leaseMs must be more than 0, received ${leaseMs}`);
  const schema = isSchema(options.state) ? options.state : undefined;
  // Without a declared state the steps see an empty record.
  const initial = (schema === undefined ? (options.state ?? {}) : {}) as S;
  const declared = { name, initial, schema, input, leaseMs, version, onChange };
  const add = (added: string, run: Step<S, Input>["run"], more: StepOptions = {}): unknown => {
    refuseUnknown("step", more, STEP_OPTIONS);
    return defineSequencer({ ...options, steps: [...steps, { ...more, name: added, run }] });
  };
  const made = { ...declared, steps: Object.freeze([...steps]), rules, step: add };
  // A step that was added receives the output before it, and gives the next: `step` declares that.
  return Object.freeze(made) as unknown as Sequencer<S, Input, undefined, Given>;
}

function checkChange({
  version,
  onChange,
}: Pick<SequencerOptions<object>, "version" | "onChange">): void {
  if (version !== undefined && typeof version !== "string" && !Number.isFinite(version))
    throw new TypeError(`version must be a number or a text, received ${typeName(version)}`);
  if (onChange !== undefined && typeof onChange !== "function")
    throw new TypeError(`onChange must be a function, received ${typeName(onChange)}`);
}
