/** The persist function of the caller: its arguments, its results, and how a result is read. */
import { StoreContractError } from "../../../actors/errors.ts";
import type { ScopeIdentity } from "../../../actors/protocol.ts";
import { isPlainObject, typeName } from "../../../actors/state/copy.ts";

/**
 * The intent of a change, so that a store can use its own operations. It is the same on every
 * attempt; the value of a patched field is in the next state.
 */
export type CASMutationHint =
  | { readonly kind: "set" }
  | {
      readonly kind: "patchField";
      /** A field, or a field and a key of the record in it. */
      readonly path: readonly [field: string] | readonly [field: string, key: string];
      /** The value does not depend on the previous value. */
      readonly commutative: boolean;
    }
  | { readonly kind: "incField"; readonly path: readonly [string]; readonly delta: number }
  | {
      readonly kind: "pushToArray";
      readonly path: readonly [string];
      readonly values: readonly unknown[];
    }
  | { readonly kind: "deleteField"; readonly path: readonly [field: string, key: string] };

/**
 * True when a store that supports the hint's verb may apply it to any state, without a version
 * check: the result is the same in any order.
 */
export function isCommutativeHint(hint: CASMutationHint): boolean {
  return hint.kind === "patchField" ? hint.commutative : hint.kind !== "set";
}

/**
 * The result of a save. A conflict contains the stored state; no state means the record does not
 * exist.
 */
export type CASPersistResult<S> =
  | { readonly ok: true; readonly version: number; readonly record?: S | undefined }
  | { readonly ok: false; readonly currentState: S | undefined; readonly currentVersion: number }
  | {
      readonly ok: false;
      readonly current: { readonly state: S | undefined; readonly version: number } | undefined;
    };

/** Writes `next` if the store has `expectedVersion`, else returns what the store has. */
export type CASPersist<S> = (
  next: Readonly<S>,
  expectedVersion: number,
  hint: CASMutationHint,
) => CASPersistResult<S> | Promise<CASPersistResult<S>>;

/** Reads the stored state; `undefined` when there is no record. */
export type CASReread<S> = () =>
  | { readonly state: S; readonly version: number }
  | undefined
  | Promise<{ readonly state: S; readonly version: number } | undefined>;

/** A result in one shape. `state: undefined` in a conflict: the record does not exist. */
export interface Answer {
  readonly ok: boolean;
  readonly state: object | undefined;
  readonly version: number;
}

/** Reads a result; throws `StoreContractError` when it is malformed. */
export function readAnswer(given: unknown, scope: ScopeIdentity): Answer {
  const fields = isObject(given) ? given : {};
  if (fields["ok"] === true)
    return { ok: true, ...stateIn(fields["record"], fields["version"], scope) };
  if (fields["ok"] !== false) throw malformed("{ ok, version }", given, scope);
  if (!("current" in fields))
    return { ok: false, ...stateIn(fields["currentState"], fields["currentVersion"], scope) };
  const current = isObject(fields["current"]) ? fields["current"] : { version: 0 };
  return { ok: false, ...stateIn(current["state"], current["version"], scope) };
}

/** Reads the result of a reread; throws `StoreContractError` when it is not a record. */
export function readRecord(given: unknown, scope: ScopeIdentity): Omit<Answer, "ok"> | undefined {
  if (given === undefined || given === null) return undefined;
  const { state, version } = isObject(given) ? given : {};
  const record = stateIn(state, version, scope);
  if (record.state === undefined) throw malformed("{ state, version }", given, scope);
  return record;
}

function stateIn(state: unknown, version: unknown, scope: ScopeIdentity): Omit<Answer, "ok"> {
  if (typeof version !== "number" || !(version >= 0)) throw malformed("a version", version, scope);
  if (state === undefined || state === null) return { state: undefined, version };
  if (!isPlainObject(state)) throw malformed("a state", state, scope);
  return { state, version };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

/** The error names the received type, never the value. */
function malformed(expected: string, given: unknown, scope: ScopeIdentity): StoreContractError {
  return new StoreContractError({ expected, received: typeName(given) }, { scope });
}
