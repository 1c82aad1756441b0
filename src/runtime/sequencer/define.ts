/**
 * Declarations of sequencers: a name, a state, and steps in order.
 */
import type { StateSchema } from "../../../actors/scope/validation.ts";
import { durationOption } from "../../../actors/time/clock.ts";
import type { RunStatus } from "./steps.ts";
import { isPlainObject, typeName } from "../../../actors/state/copy.ts";
import type { Scope, ScopeStateOps } from "../scope.ts";
import { optionNames, refuseUnknown } from "../../../actors/scope/options.ts";

/** Default of `leaseMs`. */
const LEASE_MS = 30_000;

type AnyScope = Scope<Record<string, unknown>>;

/** The scopes that a run may use. */
export interface RunScopes {
  readonly request?: AnyScope | undefined;
  readonly session?: AnyScope | undefined;
  readonly user?: AnyScope | undefined;
  readonly org?: AnyScope | undefined;
}

/** The argument of a step. The seven operations change the sequencer's own state. */
export interface StepContext<S extends object = Record<string, unknown>>
  extends ScopeStateOps<S>, RunScopes {
  readonly runId: string;
  readonly stepIndex: number;
  readonly stepName: string;
  readonly input: unknown;
  /** The result of the step before; `undefined` in the first. */
  readonly previous: unknown;
  readonly state: Readonly<S>;
  /**
   * Runs `work` until its value is stored, and resolves to the stored value from then on, also
   * after a crash. A crash between the work and the store runs it again: pass the key to the called
   * service.
   */
  runOnce<T>(key: string, work: () => T | Promise<T>): Promise<T>;
  /**
   * Ends this run of the step and suspends the sequencer run. When it is resumed the step starts
   * again, and this call resolves to the resume's `data`. It never rejects, nor resolves before.
   */
  suspend<T = unknown>(reason: string): Promise<T>;
  /** Aborts when the run must end: the runtime closes, or another process has its lease. */
  readonly signal: AbortSignal;
}

/** One step. */
export interface Step<S extends object = Record<string, unknown>> {
  readonly name: string;
  run(context: StepContext<S>): unknown;
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
  /** The first state of a run, or a schema whose defaults give it; default `{}`. */
  readonly state?: S | StateSchema<S> | undefined;
  readonly steps: readonly Step<S>[];
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

const OPTIONS = optionNames<SequencerOptions<object>>({
  name: true,
  state: true,
  steps: true,
  leaseMs: true,
  version: true,
  onChange: true,
});

/** A named step. Its result is stored, and is the next step's `previous`. */
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
