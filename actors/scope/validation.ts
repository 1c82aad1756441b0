/**
 * The checks that a new state must pass before it counts: its schema and its size.
 *
 * A schema validates and fills in missing defaults. It does not strip fields, and one that
 * transforms its input is refused, because a state must read back as it was written. Defaults are
 * filled in when a state is made and when it is loaded, so every reader sees them.
 *
 * Invariants
 *  K1  A check changes nothing but missing fields, and throws before the state counts.
 *  K2  The size is measured on the new state, once per save, and only when an option needs it.
 */
import type { StandardSchemaV1 } from "@standard-schema/spec";
import { whileNotifying } from "./cascade.ts";
import { StateTooLargeError, StateTypeError, StateValidationError } from "../errors.ts";
import type { Logger, ScopeIdentity, StateSizeWarning } from "../protocol.ts";
import { durationOption } from "../time/clock.ts";
import { validateChanged } from "./changed-part.ts";
import { filledFrom, keptIn } from "./fill.ts";
import { isThenable } from "./mutation.ts";
import type { Cascade } from "./reentrancy.ts";
import { copyIn, isPlainObject, sizeBytes, typeName } from "../state/copy.ts";
import { mutableCopy } from "../state/mutable-copy.ts";
import { safeCall } from "./safe-call.ts";
import { whileWriting } from "./writing.ts";

/** Any schema that follows Standard Schema (zod, valibot, arktype, …). */
export type StateSchema<S = object> = StandardSchemaV1<unknown, S>;

/** Options of the checks. */
export interface CheckOptions {
  readonly schema?: StateSchema | undefined;
  /** Default 10 240; used when `onStateSizeWarning` is given. */
  readonly maxStateSizeBytes?: number | undefined;
  /** Default off. */
  readonly hardLimitBytes?: number | undefined;
  readonly onStateSizeWarning?: ((warning: StateSizeWarning) => void) | undefined;
}

/** Top-level fields to write so that a state has its defaults. */
export type Fill = readonly (readonly [field: string, value: unknown])[];

/** The checks of one kind of scope. */
export interface Checks {
  /**
   * Returns the fields to fill in; throws `StateValidationError`. With `before`, a state that was
   * checked, only what changed is checked where the schema allows that.
   */
  fill(state: object, scope: ScopeIdentity, before?: object): Fill;
  /** Throws `StateTooLargeError`. */
  limit(state: object, scope: ScopeIdentity): void;
  /**
   * Calls the size hook when the state is over its mark, as part of the cascade `cause`; returns
   * what the hook returns.
   */
  warn(state: object, scope: ScopeIdentity, cause?: Cascade): unknown;
  /** True when each change must be checked on its own, before the next. */
  readonly perChange: boolean;
}

/** Bytes of a state's JSON above which `onStateSizeWarning` is called. */
const WARNING_BYTES = 10_240;
const NOTHING: Fill = [];

/** Most levels of defaults inside defaults: each pass of a schema fills in one level. */
const FILL_PASSES = 32;

/** The fields that the schema fills in, in as many passes as it needs. */
function schemaFill(schema: StateSchema, state: object, scope: ScopeIdentity): Fill {
  const fill = new Map<string, unknown>();
  let current = state;
  for (let pass = 0; pass < FILL_PASSES; pass += 1) {
    const missing = missingFields(schema, current, scope);
    if (missing.length === 0) return fill.size === 0 ? NOTHING : [...fill];
    for (const [field, value] of missing) fill.set(field, value);
    current = { ...state, ...Object.fromEntries(fill) };
  }
  throw changes([...fill.keys()].slice(0, 1), scope);
}

/** The fields that one pass of the schema fills in. */
function missingFields(schema: StateSchema, state: object, scope: ScopeIdentity): Fill {
  const result = validate(schema, state);
  if (result.issues !== undefined)
    throw new StateValidationError(result.issues.map(issue), { scope });
  const fill = addedFields(state, result.value, scope);
  if (fill.length === 0) return NOTHING;
  refuseMoves(schema, { state, made: result.value, fill }, scope);
  return fill.map(([field, value]) => [field, copyIn(value, field, { depth: 1 })] as const);
}

function addedFields(state: object, made: unknown, scope: ScopeIdentity): Fill {
  const found = filledFrom(state, made);
  if ("path" in found) throw changes(found.path, scope);
  if (found.filled === state) return NOTHING;
  return Object.entries(found.filled).filter(
    ([field, value]) => !Object.hasOwn(state, field) || Reflect.get(state, field) !== value,
  );
}

/** Refuses a schema that drops a field and fills in another from it: that renames the field. */
function refuseMoves(
  schema: StateSchema,
  { state, made, fill }: { state: object; made: unknown; fill: Fill },
  scope: ScopeIdentity,
): void {
  const kept = keptIn(state, made);
  if (kept === state || !isPlainObject(kept)) return;
  const result = validate(schema, kept);
  const added = result.issues === undefined ? addedFields(kept, result.value, scope) : NOTHING;
  const moved = fill.find(([field]) => !added.some(([other]) => other === field));
  if (moved !== undefined) throw changes([moved[0]], scope);
}

/** The schema for states made from `before`, which was checked. */
function since(schema: StateSchema, before: object): StateSchema {
  const { vendor } = schema["~standard"];
  // A result of the schema is an object, or it is refused as one that changes the state.
  const ofChanged = (state: unknown): StandardSchemaV1.Result<object> =>
    validateChanged(schema, before, state) as StandardSchemaV1.Result<object>;
  return { "~standard": { version: 1, vendor, validate: ofChanged } };
}

function validate(schema: StateSchema, state: object): StandardSchemaV1.Result<object> {
  const result = resultOf(schema["~standard"], state);
  if (isThenable(result)) throw refuseAsync(result);
  return result;
}

/**
 * What a schema says of a frozen value. arktype fills in and transforms in a copy whose fields are
 * as frozen as those of the value, and throws: it receives one of its own then.
 */
export function resultOf<T>(
  schema: StandardSchemaV1<unknown, T>["~standard"],
  value: unknown,
): ReturnType<typeof schema.validate> {
  try {
    return schema.validate(value);
  } catch (error) {
    if (schema.vendor !== "arktype") throw error;
    return schema.validate(mutableCopy(value));
  }
}

function changes(path: readonly PropertyKey[], scope: ScopeIdentity): StateValidationError {
  const message = "the schema changes this value; it may only check it, or fill in a missing one";
  return new StateValidationError([{ message, path: [...path] }], { scope });
}

function refuseAsync(result: PromiseLike<unknown>): TypeError {
  result.then(undefined, () => undefined); // The schema is refused here; its promise is ignored.
  return new TypeError("an asynchronous schema cannot check a state; use a synchronous one");
}

function issue(given: StandardSchemaV1.Issue): { message: string; path: PropertyKey[] } {
  const path = given.path ?? [];
  return {
    message: given.message,
    path: path.map((part) => (typeof part === "object" ? part.key : part)),
  };
}

/** Schemas of some libraries are functions. */
function isSchema(schema: unknown): boolean {
  if (typeof schema !== "function" && typeof schema !== "object") return false;
  return schema !== null && "~standard" in schema;
}

/** The checks of the options, or `null` when they need none. */
export function createChecks(options: CheckOptions): Checks | null {
  const { schema, onStateSizeWarning: onWarning } = options;
  if (schema !== undefined && !isSchema(schema))
    throw new TypeError(
      `schema must be a Standard Schema, such as z.object({ … }), received ${typeName(schema)}`,
    );
  const maxStateSizeBytes = durationOption(
    "maxStateSizeBytes",
    options.maxStateSizeBytes,
    WARNING_BYTES,
  );
  const limitBytes = durationOption("hardLimitBytes", options.hardLimitBytes, Infinity);
  if (schema === undefined && onWarning === undefined && limitBytes === Infinity) return null;
  return {
    perChange: schema !== undefined || limitBytes !== Infinity,
    fill: (state, scope, before) => {
      if (schema === undefined) return NOTHING;
      return schemaFill(before === undefined ? schema : since(schema, before), state, scope);
    },
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
      return whileNotifying(scope, cause, () => onWarning(warning));
    },
  };
}

/** A scope whose state has just been confirmed. */
export interface CheckedScope {
  readonly identity: ScopeIdentity;
  readonly settings: { readonly checks: Checks | null; readonly logger: Logger };
  readonly state: object;
}

/** Calls the size hook of a scope (`Checks.warn`); reports to the logger what it throws. */
export function warnOfSize(scope: CheckedScope, cause: Cascade | undefined): void {
  const { identity, settings } = scope;
  safeCall(
    () => settings.checks?.warn(scope.state, identity, cause),
    (error) => settings.logger.error("onStateSizeWarning threw", { scope: identity, error }),
  );
}

/**
 * The frozen first state of a scope: copied in, checked, defaults filled in. Throws
 * `StateTypeError` for what is no plain object.
 */
export function initialState(given: object, checks: Checks | null, scope: ScopeIdentity): object {
  const state = copyIn(given, "", { scope });
  const fields = { path: "", expected: "a plain object", received: typeName(given) };
  if (!isPlainObject(state)) throw new StateTypeError(fields, { scope });
  return withDefaults(state, checks, scope);
}

/** A stored or initial state with its defaults; throws `StateValidationError`. */
export function withDefaults(state: object, checks: Checks | null, scope: ScopeIdentity): object {
  if (checks === null) return state;
  const fill = whileWriting(scope, () => checks.fill(state, scope));
  if (fill.length === 0) return state;
  return copyIn({ ...state, ...Object.fromEntries(fill) }, "", { scope });
}
