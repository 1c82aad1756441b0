/**
 * The persist function of the seed: what it is given, what it answers, and how an answer is read.
 */
import { StoreContractError } from "../../../actors/errors.ts";
import type { ScopeIdentity } from "../../../actors/protocol.ts";
import { isPlainObject, typeName } from "../../../actors/state/copy.ts";

/**
 * What a change wants, so that a store with verbs of its own can do just that. The same on every
 * attempt; the value of a patched field is in the next state.
 */
export type CASMutationHint =
  | { readonly kind: "set" }
  | {
      readonly kind: "patchField";
      /** A field, or a field and a key of the record in it. */
      readonly path: readonly [field: string] | readonly [field: string, key: string];
      /** The value does not depend on what was there. */
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
 * True when a store that has the hint's verb may apply it to whatever it holds, without a look at
 * the version: the result is the same as in any other order.
 */
export function isCommutativeHint(hint: CASMutationHint): boolean {
  return hint.kind === "patchField" ? hint.commutative : hint.kind !== "set";
}

/** A store's answer. A conflict says what the store holds; no state means the record is gone. */
export type CASPersistResult<S> =
  | { readonly ok: true; readonly version: number; readonly record?: S | undefined }
  | { readonly ok: false; readonly currentState: S | undefined; readonly currentVersion: number }
  | {
      readonly ok: false;
      readonly current: { readonly state: S | undefined; readonly version: number } | undefined;
    };

/** Writes `next` if the store holds `expectedVersion`, else answers with what it holds. */
export type CASPersist<S> = (
  next: Readonly<S>,
  expectedVersion: number,
  hint: CASMutationHint,
) => CASPersistResult<S> | Promise<CASPersistResult<S>>;

/** Reads what the store holds now; `undefined` when there is no record. */
export type CASReread<S> = () =>
  | { readonly state: S; readonly version: number }
  | undefined
  | Promise<{ readonly state: S; readonly version: number } | undefined>;

/** An answer in one shape. `state: undefined` in a conflict: the record is gone. */
export interface Answer {
  readonly ok: boolean;
  readonly state: object | undefined;
  readonly version: number;
}

/** Reads an answer; throws `StoreContractError` when it is none. */
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

/** Reads what a reread found; throws `StoreContractError` when it is no record. */
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

/** Says which type came, never the value. */
function malformed(expected: string, given: unknown, scope: ScopeIdentity): StoreContractError {
  return new StoreContractError({ expected, received: typeName(given) }, { scope });
}
