/**
 * Sequencers as people declare them: a name, a state, and steps in order.
 */
import type { StateSchema } from "../../actors/checks.ts";
import { durationOption } from "../../actors/clock.ts";
import { isPlainObject } from "../../actors/values.ts";
import type { Scope, ScopeStateOps } from "./scope.ts";

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

/** A declared sequencer. */
export interface Sequencer<S extends object = Record<string, unknown>> {
  readonly name: string;
  readonly initial: S;
  readonly schema: StateSchema<S> | undefined;
  readonly steps: readonly Step<S>[];
  readonly leaseMs: number;
}

/** The declaration of a sequencer. */
export interface SequencerOptions<S extends object> {
  readonly name: string;
  /** The state a run starts with, or a schema whose defaults give it; default `{}`. */
  readonly state?: S | StateSchema<S>;
  readonly steps: readonly Step<S>[];
  /** Milliseconds without a sign of life until others may take a run over; default 30 000. */
  readonly leaseMs?: number;
}

/** A named step. What it returns is stored, and is the next step's `previous`. */
export function step<S extends object = Record<string, unknown>>(
  name: string,
  run: (context: StepContext<S>) => unknown,
): Step<S> {
  if (typeof name !== "string" || name === "") throw new TypeError("a step needs a name");
  if (typeof run !== "function") throw new TypeError(`step "${name}" needs a function`);
  return Object.freeze({ name, run });
}

/**
 * Declares a sequencer. Throws `TypeError` for a missing or doubled name, `RangeError` for a lease.
 */
export function defineSequencer<S extends object = Record<string, unknown>>(
  options: SequencerOptions<S>,
): Sequencer<S> {
  const { name, steps } = options;
  if (typeof name !== "string" || name === "") throw new TypeError("a sequencer needs a name");
  const names = new Set(steps.map((each) => each.name));
  if (names.size < steps.length)
    throw new TypeError(`two steps of sequencer "${name}" have the same name`);
  const leaseMs = durationOption("leaseMs", options.leaseMs, LEASE_MS);
  if (!(leaseMs > 0)) throw new RangeError(`leaseMs must be more than 0, received ${leaseMs}`);
  const schema = isSchema<S>(options.state) ? options.state : undefined;
  // Without a declared state the steps see an empty record.
  const initial = (schema === undefined ? (options.state ?? {}) : {}) as S;
  return Object.freeze({ name, initial, schema, steps: Object.freeze([...steps]), leaseMs });
}

function isSchema<S extends object>(state: unknown): state is StateSchema<S> {
  // Schemas of some libraries are functions; a state is always a plain object without this key.
  if (typeof state !== "function" && !isPlainObject(state) && typeof state !== "object")
    return false;
  return state !== null && state !== undefined && "~standard" in state;
}
