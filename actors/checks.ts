/**
 * What a new state must pass before it counts: its schema and its size.
 *
 * A schema validates and fills missing defaults; it does not transform and does not strip, because
 * a state must read back as it was written. Filling happens when a state is made and when it is
 * loaded, so no reader ever meets a state that lacks a default.
 *
 * Invariants
 *  K1  A check changes nothing but missing fields, and throws before the state counts.
 *  K2  The size is measured on the new state, once per save, and only when somebody asked for it.
 */
import type { StandardSchemaV1 } from "@standard-schema/spec";
import { whileTold } from "./cascade.ts";
import { StateTooLargeError, StateValidationError } from "./errors.ts";
import type { ScopeIdentity, StateSizeWarning } from "./protocol.ts";
import { durationOption } from "./clock.ts";
import { isThenable } from "./mutation.ts";
import type { Cascade } from "./turn.ts";
import { copyIn, isPlainObject, sizeBytes } from "./values.ts";
import { whileWriting } from "./writing.ts";

/** Any schema that follows Standard Schema (zod, valibot, arktype, …). */
export type StateSchema<S = object> = StandardSchemaV1<unknown, S>;

/** Options that ask for checks. */
export interface CheckOptions {
  readonly schema?: StateSchema | undefined;
  /** Default 10 240; counts when `onStateSizeWarning` is given. */
  readonly maxStateSizeBytes?: number | undefined;
  /** Default off. */
  readonly hardLimitBytes?: number | undefined;
  readonly onStateSizeWarning?: ((warning: StateSizeWarning) => void) | undefined;
}

/** Top-level fields to write so that a state has its defaults. */
export type Fill = readonly (readonly [field: string, value: unknown])[];

/** The checks of one kind of scope. */
export interface Checks {
  /** Throws `StateValidationError`; answers what must be filled in. */
  fill(state: object, scope: ScopeIdentity): Fill;
  /** Throws `StateTooLargeError`. */
  limit(state: object, scope: ScopeIdentity): void;
  /**
   * Calls the size hook when the state is over its mark, by the change of the listeners of `cause`;
   * answers what the hook does.
   */
  warn(state: object, scope: ScopeIdentity, cause?: Cascade): unknown;
  /** True when each change must be checked on its own, before the next. */
  readonly perChange: boolean;
}

/** Bytes of a state's JSON above which `onStateSizeWarning` is called. */
const WARNING_BYTES = 10_240;
const NOTHING: Fill = [];

function missingFields(given: object, filled: unknown): Fill {
  if (!isPlainObject(filled)) return NOTHING;
  const fill: [string, unknown][] = [];
  for (const [field, value] of Object.entries(filled)) {
    const current = Object.hasOwn(given, field) ? Reflect.get(given, field) : undefined;
    const merged = fillValue(current, value);
    if (merged !== current) fill.push([field, copyIn(merged, field, { depth: 1 })]);
  }
  return fill;
}

/** `given` where it says something, the schema's value where it is missing. */
function fillValue(given: unknown, filled: unknown): unknown {
  if (given === undefined) return filled;
  if (Array.isArray(given) && Array.isArray(filled) && given.length === filled.length) {
    const items = given.map((item, index) => fillValue(item, filled[index]));
    return items.some((item, index) => item !== given[index]) ? items : given;
  }
  if (!isPlainObject(given) || !isPlainObject(filled)) return given;
  const missing = missingFields(given, filled);
  return missing.length === 0 ? given : { ...given, ...Object.fromEntries(missing) };
}

function schemaFill(schema: StateSchema, state: object, scope: ScopeIdentity): Fill {
  const result = schema["~standard"].validate(state);
  if (isThenable(result)) throw refuseAsync(result);
  if (result.issues !== undefined)
    throw new StateValidationError(result.issues.map(issue), { scope });
  return missingFields(state, result.value);
}

function refuseAsync(result: PromiseLike<unknown>): TypeError {
  result.then(undefined, () => undefined); // Refused here; nobody will look at it.
  return new TypeError("an asynchronous schema cannot check a state; use a synchronous one");
}

function issue(given: StandardSchemaV1.Issue): { message: string; path: PropertyKey[] } {
  const path = given.path ?? [];
  return {
    message: given.message,
    path: path.map((part) => (typeof part === "object" ? part.key : part)),
  };
}

/** The checks that the options ask for, or `null` when they ask for none. */
export function createChecks(options: CheckOptions): Checks | null {
  const { schema, onStateSizeWarning: onWarning } = options;
  const maxStateSizeBytes = durationOption(
    "maxStateSizeBytes",
    options.maxStateSizeBytes,
    WARNING_BYTES,
  );
  const limitBytes = durationOption("hardLimitBytes", options.hardLimitBytes, Infinity);
  if (schema === undefined && onWarning === undefined && limitBytes === Infinity) return null;
  return {
    perChange: schema !== undefined || limitBytes !== Infinity,
    fill: (state, scope) => (schema === undefined ? NOTHING : schemaFill(schema, state, scope)),
    limit(state, scope) {
      if (limitBytes === Infinity) return;
      const size = sizeBytes(state);
      if (size > limitBytes)
        throw new StateTooLargeError({ sizeBytes: size, limitBytes }, { scope });
    },
    warn(state, scope, cause) {
      if (onWarning === undefined) return undefined;
      const size = sizeBytes(state);
      if (size <= maxStateSizeBytes) return undefined;
      const warning = { scope, sizeBytes: size, maxStateSizeBytes };
      // An asynchronous hook gives a promise.
      return whileTold(scope, cause, () => onWarning(warning));
    },
  };
}

/** The frozen state a scope starts from: copied in, checked, defaults filled. */
export function initialState(given: object, checks: Checks | null, scope: ScopeIdentity): object {
  const state = copyIn(given, "", { scope });
  return withDefaults(state, checks, scope);
}

/** A stored or initial state with its defaults; throws `StateValidationError`. */
export function withDefaults(state: object, checks: Checks | null, scope: ScopeIdentity): object {
  if (checks === null) return state;
  const fill = whileWriting(scope, () => checks.fill(state, scope));
  if (fill.length === 0) return state;
  return copyIn({ ...state, ...Object.fromEntries(fill) }, "", { scope });
}
