/**
 * Applies patches to a frozen state.
 *
 *  Q1  The result is frozen, shares every unchanged node with the state, and shares nothing with
 *      the patches.
 *  Q2  A patch that does not fit throws `StateTypeError` with its path; nothing is changed.
 */
import { StateTypeError } from "../../actors/errors.ts";
import type { Patch } from "../../actors/protocol.ts";
import { copyIn, freezeShallow, isPlainObject, typeName } from "../../actors/state/copy.ts";
import { applyPatches as applyTo, PatchError } from "../../actors/state/patches.ts";
import { toPointer } from "./pointer.ts";

const OPS: ReadonlySet<unknown> = new Set(["add", "replace", "remove"]);

/**
 * The frozen state after immer-format patches, such as those of a change, applied in order.
 * Unchanged parts are shared with `state`. Throws `StateTypeError` for a patch that does not fit,
 * `StateSerializationError` for a value that no state can hold, `TypeError` for what is no patch.
 */
export function applyPatches<S>(state: S, patches: readonly Patch[]): S {
  const made = new Set<object>();
  const next = applyChecked(state, patches, made);
  for (const node of made) freezeShallow(node);
  return next;
}

/** The same without freezing the new nodes, which are added to `made`. */
export function applyChecked<S>(state: S, patches: readonly Patch[], made: Set<object>): S {
  const copies = checkedPatches(patches);
  try {
    return applyTo(state, copies, made);
  } catch (cause) {
    throw cause instanceof PatchError ? misfit(cause.path, cause.reason, cause) : cause;
  }
}

/** A patch or operation does not fit the state. */
export function misfit(
  path: readonly (string | number)[],
  reason: string,
  cause?: unknown,
): StateTypeError {
  const fields = {
    path: toPointer(path),
    expected: "a state that fits the patch",
    received: reason,
  };
  return new StateTypeError(fields, { cause });
}

function checkedPatches(patches: unknown): Patch[] {
  if (!Array.isArray(patches))
    throw new TypeError(`patches must be a list, received ${typeName(patches)}`);
  return patches.map((patch: unknown, index) => {
    if (!isPatch(patch))
      throw new TypeError(
        `patch ${index} must be { op: "add" | "replace" | "remove", path: keys[], value? }`,
      );
    const { op, path, value } = patch;
    // Its depth in the state counts, the parents included.
    return { op, path, value: copyIn(value, path.join("."), { depth: path.length }) };
  });
}

function isPatch(patch: unknown): patch is Patch {
  if (!isPlainObject(patch) || !OPS.has(patch["op"])) return false;
  const { path } = patch;
  return (
    Array.isArray(path) && path.every((key) => typeof key === "string" || typeof key === "number")
  );
}
