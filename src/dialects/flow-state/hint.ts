/** The hint of a change for the store, derived from its mutation. */
import type { Mutation } from "../../../actors/scope/mutation.ts";
import {
  DeleteKeyMutation,
  FieldMutation,
  IncrementMutation,
  PatchMutation,
  PushMutation,
  SetKeyMutation,
} from "../../runtime/state-ops.ts";
import type { CASMutationHint } from "./persist.ts";

const SET: CASMutationHint = { kind: "set" };

/**
 * The hint of a mutation that has not run. A change of several fields is a `set`, never several
 * hints.
 */
export function hintOf(mutation: Mutation): CASMutationHint {
  if (mutation instanceof FieldMutation)
    return { kind: "patchField", path: [mutation.path()], commutative: false };
  if (mutation instanceof SetKeyMutation)
    return { kind: "patchField", path: mutation.place, commutative: true };
  if (mutation instanceof DeleteKeyMutation) return { kind: "deleteField", path: mutation.place };
  if (mutation instanceof PatchMutation)
    return one(mutation, (field) => ({ kind: "patchField", path: [field], commutative: true }));
  if (mutation instanceof IncrementMutation)
    return one(mutation, (field, delta) => ({
      kind: "incField",
      path: [field],
      delta: Number(delta),
    }));
  if (mutation instanceof PushMutation)
    return one(mutation, (field, value) => ({
      kind: "pushToArray",
      path: [field],
      values: [value],
    }));
  return SET;
}

/** The hint for the only field a mutation names, `set` when it names none or several. */
function one(
  mutation: { delta(): unknown },
  hint: (field: string, value: unknown) => CASMutationHint,
): CASMutationHint {
  const [only, ...others] = Object.entries(mutation.delta() ?? {});
  return only === undefined || others.length > 0 ? SET : hint(...only);
}
