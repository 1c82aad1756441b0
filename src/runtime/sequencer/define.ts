/**
 * Sequencers as people declare them: a name, a state, and steps in order.
 */
import type { StateSchema } from "../../../actors/scope/validation.ts";
import { durationOption } from "../../../actors/time/clock.ts";
import type { RunStatus } from "./steps.ts";
import { isPlainObject, typeName } from "../../../actors/state/copy.ts";
import type { Scope, ScopeStateOps } from "../scope.ts";
import { optionNames, refuseUnknown } from "../../../actors/scope/options.ts";

/** Milliseconds without a sign of life after which a run may be taken over by another process. */
const LEASE_MS = 30_000;

type AnyScope = Scope<Record<string, unknown>>;

/** The scopes a run may be given. */
export interface RunScopes {
  readonly request?: AnyScope | undefined;
  readonly session?: AnyScope | undefined;
  readonly user?: AnyScope | undefined;
  readonly org?: AnyScope | undefined;
}

/** What a step works with. The seven operations are on the sequencer's own state. */
export interface StepContext<S extends object = Record<string, unknown>>
  extends ScopeStateOps<S>, RunScopes {
  readonly runId: string;
  readonly stepIndex: number;
  readonly stepName: string;
  readonly input: unknown;
  /** What the step before returned; `undefined` in the first. */
  readonly previous: unknown;
  readonly state: Readonly<S>;
  /**
   * Runs `work` until its value is stored, and hands out the stored value from then on, also across
   * crashes. A crash between the work and the store runs it again: give the key to what it calls.
   */
  runOnce<T>(key: string, work: () => T | Promise<T>): Promise<T>;
  /**
   * Ends this run of the step and suspends the run. When it is resumed the step starts again, and
   * this call resolves to the resume's `data`. It never rejects and never resolves before.
   */
  suspend<T = unknown>(reason: string): Promise<T>;
  /** Aborts when the run has to end: the runtime closes, or another process took the run over. */
  readonly signal: AbortSignal;
}

/** One step. */
export interface Step<S extends object = Record<string, unknown>> {
  readonly name: string;
  run(context: StepContext<S>): unknown;
}

/** A run whose stored steps are not those of the sequencer any more. */
export interface ChangedRun {
  readonly runId: string;
  /** The `version` of the sequencer under which it was stored; `undefined` when it had none. */
  readonly version: number | string | undefined;
  /** The names of its finished steps, then of the step it stands in. */
  readonly stored: readonly string[];
  /** How many steps are finished. */
  readonly stepIndex: number;
  readonly status: RunStatus;
  readonly input: unknown;
  readonly state: object;
  /** What the finished steps returned, in order. */
  readonly outputs: readonly unknown[];
}

/** A declared sequencer. */
export interface Sequencer<S extends object = Record<string, unknown>> {
  readonly name: string;
  readonly initial: S;
  readonly schema: StateSchema<S> | undefined;
  readonly steps: readonly Step<S>[];
  readonly leaseMs: number;
  readonly version: number | string | undefined;
  readonly onChange: ((run: ChangedRun) => string) | undefined;
}

/** The declaration of a sequencer. */
export interface SequencerOptions<S extends object> {
  readonly name: string;
  /** The state a run starts with, or a schema whose defaults give it; default `{}`. */
  readonly state?: S | StateSchema<S> | undefined;
  readonly steps: readonly Step<S>[];
  /** Milliseconds without a sign of life until others may take a run over; default 30 000. */
  readonly leaseMs?: number | undefined;
  /** Names these steps for `onChange`; kept with every run that goes on under them. */
  readonly version?: number | string | undefined;
  /**
   * Asked when the steps of a stored run are not those declared here: gives the name of the step at
   * which the run goes on. Steps before it count as done; what a step of the same name returned and
   * kept by `runOnce` stays. When it throws, or names no step, the run stays as it is and
   * `SequencerChangedError` says so. Must be synchronous.
   */
  readonly onChange?: ((run: ChangedRun) => string) | undefined;
}

const OPTIONS = optionNames<SequencerOptions<object>>({
  name: true,
  state: true,
  steps: true,
  leaseMs: true,
  version: true,
  onChange: true,
});

/** A named step. What it returns is stored, and is the next step's `previous`. */
export function step<S extends object = Record<string, unknown>>(
  name: string,
  run: (context: StepContext<S>) => unknown,
): Step<S> {
  const made = Object.freeze({ name, run });
  checkStep(made);
  return made;
}

function checkStep(made: Step<never>): void {
  refuseUnknown("a step", made, ["name", "run"]);
  const { name } = made;
  if (typeof name !== "string" || name === "") throw new TypeError("a step needs a name");
  if (typeof made.run !== "function") throw new TypeError(`step "${name}" needs a function`);
}

/**
 * Declares a sequencer. Throws `TypeError` for a missing or doubled name, a bad version, a bad
 * `onChange` or an unknown option, `RangeError` for a lease.
 */
export function defineSequencer<S extends object = Record<string, unknown>>(
  options: SequencerOptions<S>,
): Sequencer<S> {
  refuseUnknown("defineSequencer", options, OPTIONS);
  const { name, steps, version, onChange } = options;
  if (typeof name !== "string" || name === "") throw new TypeError("a sequencer needs a name");
  if (!Array.isArray(steps))
    throw new TypeError(`steps must be a list of steps, received ${typeName(steps)}`);
  steps.forEach(checkStep);
  const names = new Set(steps.map((each) => each.name));
  if (names.size < steps.length)
    throw new TypeError(`two steps of sequencer "${name}" have the same name`);
  checkChange(options);
  const leaseMs = durationOption("leaseMs", options.leaseMs, LEASE_MS);
  if (!(leaseMs > 0)) throw new RangeError(`leaseMs must be more than 0, received ${leaseMs}`);
  const schema = isSchema<S>(options.state) ? options.state : undefined;
  // Without a declared state the steps see an empty record.
  const initial = (schema === undefined ? (options.state ?? {}) : {}) as S;
  const declared = { name, initial, schema, leaseMs, version, onChange };
  return Object.freeze({ ...declared, steps: Object.freeze([...steps]) });
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

function isSchema<S extends object>(state: unknown): state is StateSchema<S> {
  // Schemas of some libraries are functions; a state is always a plain object without this key.
  if (typeof state !== "function" && !isPlainObject(state) && typeof state !== "object")
    return false;
  return state !== null && state !== undefined && "~standard" in state;
}
