/**
 * What the code of a step receives.
 */
import { types } from "node:util";
import { copyIn, typeName } from "../../../actors/state/copy.ts";
import { optionNames, refuseUnknown } from "../../../actors/scope/options.ts";
import type { MutationContext, MutationOptions } from "../../../actors/protocol.ts";
import { durationOption } from "../../../actors/time/clock.ts";
import type { AnyScopes, DraftsOf } from "../kind-types.ts";
import type { Scope, ScopeStateOps } from "../scope.ts";
import { checkSchema, type ValueSchema } from "./checked-value.ts";

type AnyScope = Scope<Record<string, unknown>>;

/** The scopes that a run may use. */
export interface RunScopes {
  readonly request?: AnyScope | undefined;
  readonly session?: AnyScope | undefined;
  readonly user?: AnyScope | undefined;
  readonly org?: AnyScope | undefined;
}

/** What a suspended run waits for. */
export interface SuspendOptions<T = unknown> {
  /** Any storable value; stored with the run and part of its outcome. */
  readonly reason: unknown;
  /**
   * Checks the data of the resume, and fills in defaults. Data that does not fit rejects the resume
   * with `StateValidationError`; the run is still suspended, under the same id.
   */
  readonly schema?: ValueSchema<T> | undefined;
  /**
   * Milliseconds until the suspension ends without a resume: `suspend` then rejects with
   * `SuspensionTimeoutError`, when `runtime.recover` or a call finds the run. Default: never.
   */
  readonly timeoutMs?: number | undefined;
  /** Any storable value for the code that will resume the run. */
  readonly data?: unknown;
}

/** Options of `transact` in a step; it has a `once` key of its own. */
export type TransactOptions = Omit<MutationOptions, "once">;

/** A reason without options: any storable value that has no own `reason`. */
export type PlainReason =
  | string
  | number
  | boolean
  | null
  | readonly unknown[]
  | { readonly [name: string]: unknown; readonly reason?: undefined };

/** The argument of a step. The operations change the sequencer's own state. */
export interface StepContext<
  S extends object = Record<string, unknown>,
  Input = unknown,
  Previous = unknown,
>
  extends ScopeStateOps<S>, RunScopes {
  readonly runId: string;
  readonly stepIndex: number;
  readonly stepName: string;
  /** 1 for the first try of the step, 2 and up when it is tried again (`retry`). */
  readonly attempt: number;
  readonly input: Input;
  /** The result of the step before; `undefined` in the first. */
  readonly previous: Previous;
  readonly state: Readonly<S>;
  /**
   * Runs `work` until its value is stored, and resolves to the stored value from then on, also in
   * later tries and after a crash. A crash or the time limit of the step between the work and the
   * store runs it again: pass the key to the called service.
   */
  runOnce<T>(key: string, work: () => T | Promise<T>): Promise<T>;
  /**
   * Runs `recipe` over stored scopes of this runtime, as `runtime.transact` does, and takes effect
   * once: when the step runs again, the n-th call of the step resolves to its first result, and a
   * recipe that threw is run again. The scopes keep a key of the run, the step and n until it is
   * older than their last `onceKept` keys. Rejects with `TypeError` for a volatile scope, a scope
   * of another runtime and an unknown option; fails the step inside `runOnce`.
   */
  transact<const Scopes extends AnyScopes, R>(
    scopes: Scopes,
    recipe: (drafts: DraftsOf<Scopes>, context: MutationContext) => R | Promise<R>,
    options?: TransactOptions,
  ): Promise<R>;
  /**
   * Ends this run of the step and suspends the sequencer run. When it is resumed the step starts
   * again, and this call resolves to the resume's `data`. It never resolves before, and rejects
   * only with `SuspensionTimeoutError`. An object with an own `reason` has options; anything else
   * is the reason. Unknown options, a bad `timeoutMs` and values that cannot be stored fail the
   * step.
   */
  suspend<T>(question: SuspendOptions<T> & { readonly schema: ValueSchema<T> }): Promise<T>;
  suspend<T = unknown>(question: PlainReason | SuspendOptions): Promise<T>;
  /**
   * Resolves after `time` milliseconds, or at a `Date`. The time is stored: when the step starts
   * again, in a later try or after a restart, the n-th sleep of the step ends when it would have
   * ended. A run that was interrupted in a sleep is resumed by `runtime.recover` when that is over.
   * A bad time fails the step.
   */
  sleep(time: number | Date): Promise<void>;
  /**
   * Aborts when this try of the step must end: it failed or its time is over, the runtime closes,
   * the run was cancelled, or another process has its lease.
   */
  readonly signal: AbortSignal;
}

/** The checked argument of `suspend`. */
export interface Question {
  readonly reason: unknown;
  readonly schema: ValueSchema<unknown> | undefined;
  /** `Infinity`: never. */
  readonly timeoutMs: number;
  /** Absent when it was not given. */
  readonly extra: { readonly data?: unknown };
}

const SUSPEND_OPTIONS = optionNames<SuspendOptions>({
  reason: true,
  schema: true,
  timeoutMs: true,
  data: true,
});
/** The latest time of a `Date`. */
const LATEST_MS = 8.64e15;

/** The question of a `suspend`; throws for bad options and for what cannot be stored. */
export function questionOf(asked: unknown): Question {
  if (typeof asked !== "object" || asked === null || !Object.hasOwn(asked, "reason")) {
    const reason = copyIn(asked, "reason", { depth: 2 });
    return { reason, schema: undefined, timeoutMs: Infinity, extra: {} };
  }
  refuseUnknown("suspend", asked, SUSPEND_OPTIONS);
  // An object with a reason, and no names besides the options; each is checked here.
  const { reason, schema, data, timeoutMs: given } = asked as SuspendOptions;
  checkSchema("schema", schema);
  const timeoutMs = durationOption("timeoutMs", given, Infinity);
  if (!(timeoutMs > 0))
    throw new RangeError(`timeoutMs must be more than 0, received ${timeoutMs}`);
  return {
    reason: copyIn(reason, "reason", { depth: 2 }),
    schema,
    timeoutMs,
    extra: data === undefined ? {} : { data: copyIn(data, "data", { depth: 2 }) },
  };
}

/**
 * The end of a sleep that begins now, in milliseconds since the epoch; throws for a bad time.
 */
export function wakeTime(time: unknown, now: number): number {
  const until = timeOf(time, now);
  if (!Number.isFinite(until) || Math.abs(until) > LATEST_MS)
    throw new RangeError("a sleep needs a finite number of milliseconds or a valid Date");
  return until;
}

function timeOf(time: unknown, now: number): number {
  if (typeof time === "number") return now + Math.max(0, time);
  if (types.isDate(time)) return time.getTime();
  throw new TypeError(`a sleep needs milliseconds or a Date, received ${typeName(time)}`);
}
