/**
 * `null` in a field counts as missing for increments, pushes and record operations, as in the
 * original, whose schemas often contain `nullable().default(null)`.
 */
import { DraftState, ownValue } from "../../../actors/state/draft-state.ts";
import type { Mutation } from "../../../actors/scope/mutation.ts";
import { WrappedMutation } from "../../../actors/scope/wrapped-mutation.ts";
import {
  DeleteKeyMutation,
  IncrementMutation,
  PushMutation,
  SetKeyMutation,
} from "../../runtime/state-ops.ts";

/** The mutations that count a missing field as 0, an empty list or an empty record. */
type Starting = IncrementMutation | PushMutation | SetKeyMutation | DeleteKeyMutation;

/** An equivalent mutation that treats `null` as missing. */
export function nullAsMissing(mutation: Mutation): Mutation {
  return isStarting(mutation) ? new NullAsMissing(mutation) : mutation;
}

function isStarting(mutation: Mutation): mutation is Starting {
  return (
    mutation instanceof IncrementMutation ||
    mutation instanceof PushMutation ||
    mutation instanceof SetKeyMutation ||
    mutation instanceof DeleteKeyMutation
  );
}

class NullAsMissing extends WrappedMutation {
  readonly #delta: () => unknown;

  constructor(inner: Starting) {
    super(inner);
    this.#delta = () => inner.delta();
  }

  override write(draft: DraftState): void {
    // The delta of each names the fields it writes.
    const fields = Object.keys(Object(this.#delta()));
    if (!fields.some((field) => draft.get(field) === null)) return super.write(draft, undefined);
    // Called separately: it throws for another field before anything is written here (A1).
    const state = draft.expose();
    const values = fields.map((field) => [field, ownValue(state, field) ?? undefined]);
    const side = new DraftState(Object.freeze(Object.fromEntries(values)), draft.scope);
    super.write(side, undefined);
    if (!side.changed) return;
    const next = side.expose();
    for (const field of fields) draft.set(field, ownValue(next, field));
  }
}
