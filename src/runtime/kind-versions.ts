/**
 * Versions of a kind: its option `version`, and the steps that lift a state of an older version.
 *
 *     stored by version 1 ──migrate[2]──▶ 2 ──migrate[3]──▶ 3 ──schema──▶ the state of the scope
 *
 * Invariants
 *  K1  A state is lifted by all steps from its version to the kind's, in order, or not at all.
 *  K2  A step gets a deep copy that it may change; what it returns is checked and copied.
 *  K3  A state that cannot be lifted, or is newer than the kind, throws `StateVersionError`.
 *  K4  The extras of a state stay with the lifted one.
 */
import { isThenable } from "../../actors/scope/mutation.ts";
import { StateVersionError } from "../../actors/errors.ts";
import { isError } from "../../actors/realm.ts";
import type { ScopeIdentity } from "../../actors/protocol.ts";
import { copyIn, isPlainObject, typeName } from "../../actors/state/copy.ts";
import { extrasOf, withExtras } from "../../actors/state/extras.ts";
import { mutableCopy } from "../../actors/state/mutable-copy.ts";

/** A step; a method, so that the caller may name a narrower type of the state it gets. */
interface Step {
  lift(state: Record<string, unknown>): object;
}

/**
 * Makes a state of one version into a state of the next, synchronously and from the state alone.
 * It gets a copy of its own. A state that it refuses by a throw cannot be opened.
 */
export type Migration = Step["lift"];

/** The options of a kind that concern its versions. */
export interface VersionOptions {
  /**
   * The version of the kind's states, a whole number from 1, the default. Each record has the
   * version that stored it; a program whose kind is older refuses the record.
   */
  readonly version?: number | undefined;
  /**
   * The step to each version from the one before it, from 2 on. A load lifts an older state before
   * the schema checks it, and the next save stores the lifted one.
   */
  readonly migrate?: Readonly<Record<number, Migration>> | undefined;
}

/** The checked options. */
export interface KindVersions {
  readonly version: number;
  readonly migrate: ReadonlyMap<number, Migration>;
}

/** A state with the version of its kind that stored it. */
export interface VersionedState {
  readonly kindVersion: number;
  /** Deep-frozen. */
  readonly state: object;
}

/**
 * Checks the options. Throws `RangeError` for a version that is no whole number from 1 and for a
 * step to no version of the kind, `TypeError` for another value.
 */
export function kindVersions({ version = 1, migrate = {} }: VersionOptions): KindVersions {
  if (typeof version !== "number")
    throw new TypeError(`version must be a number, received ${typeName(version)}`);
  if (!Number.isSafeInteger(version) || version < 1)
    throw new RangeError(`version must be a whole number from 1, received ${version}`);
  if (!isPlainObject(migrate))
    throw new TypeError(`migrate must be a record of steps, received ${typeName(migrate)}`);
  const steps = new Map<number, Migration>();
  for (const [key, step] of Object.entries<unknown>(migrate)) {
    const to = stepVersion(key, version);
    if (typeof step !== "function")
      throw new TypeError(`migrate[${key}] must be a function, received ${typeName(step)}`);
    steps.set(to, step as Migration); // Its results are checked when it runs (K2).
  }
  return { version, migrate: steps };
}

/** The version that a key of `migrate` names. */
function stepVersion(key: string, version: number): number {
  const to = Number(key);
  if (String(to) === key && Number.isSafeInteger(to) && to >= 2 && to <= version) return to;
  throw new RangeError(`migrate has steps to the versions 2 to ${version}, received "${key}"`);
}

/**
 * Lifts a state to the version of its kind. Returns it deep-frozen, the same one when it has that
 * version; throws `StateVersionError` as in K3.
 */
export function lift(
  { version: known, migrate }: KindVersions,
  { kindVersion: stored, state }: VersionedState,
  scope: ScopeIdentity,
): object {
  if (stored === known) return state;
  if (stored > known) throw new StateVersionError({ stored, known }, { scope });
  let lifted = state;
  for (let to = stored + 1; to <= known; to += 1) {
    try {
      lifted = liftTo(to, migrate, lifted);
    } catch (error) {
      const fault =
        isError(error) && error instanceof StepFault
          ? error
          : new StepFault("threw", { cause: error });
      const reason = `the step to version ${to} ${fault.message}`;
      throw new StateVersionError({ stored, known }, { scope, cause: fault.cause }, reason);
    }
  }
  return withExtras(lifted, extrasOf(state));
}

/** What is wrong with a step, without a value of the state. */
class StepFault extends Error {}

function liftTo(to: number, migrate: KindVersions["migrate"], state: object): object {
  const step = migrate.get(to);
  if (step === undefined) throw new StepFault("is missing");
  const own = mutableCopy(state);
  const result: unknown = step(own as Record<string, unknown>); // A state is a record.
  // It may reject later, when it is no longer waited for.
  if (isThenable(result)) void Promise.resolve(result).catch(() => undefined);
  if (!isPlainObject(result))
    throw new StepFault(`returned ${typeName(result)} instead of a record`);
  try {
    return copyIn(result, "");
  } catch (cause) {
    throw new StepFault("returned what cannot be stored", { cause });
  }
}
