/**
 * `update(recipe)`: a mutation written as changes on an immer draft.
 *
 * immer makes the next state, and `diff.ts` finds the patches and copies: values that the recipe
 * put in belong to the caller, and immer's own patches are wrong when one draft ends up at two
 * paths. Untouched subtrees are shared with the previous state.
 *
 * immer cannot change +0 to −0 (it takes them for equal). It does not draft Dates and byte arrays:
 * replace them, do not edit them in place.
 */
import { original } from "immer";
import type { DraftState } from "../state/draft-state.ts";
import { StateTypeError } from "../errors.ts";
import { type Mutation, whenDone } from "./mutation.ts";
import type { MutationContext } from "../protocol.ts";
import type { Draft, GivenState } from "../state-types.ts";
import { endRecipe, immer } from "./recipe-result.ts";
import { typeName } from "../state/copy.ts";

/**
 * A caller's recipe: changes `draft` in place, or returns the next state, a plain object, which
 * replaces the state; `recipe-result.ts` lists what else it may return.
 */
export type Recipe<S> = (
  draft: Draft<S>,
  context: MutationContext,
) => void | GivenState<S> | Promise<void | GivenState<S>>;

/** A recipe as a mutation. */
export class RecipeMutation<S extends object> implements Mutation {
  readonly operation = "update";
  readonly #recipe: Recipe<S>;

  constructor(recipe: Recipe<S>) {
    this.#recipe = recipe;
  }

  compute(state: object, context: MutationContext): unknown {
    checkRecipe(this.#recipe);
    const draft = createDraft(state);
    // The caller declares the type of the state.
    const returned = this.#recipe(draft as Draft<S>, context);
    return whenDone(returned, (value) => endRecipe([draft], value)[0]);
  }

  write(draft: DraftState, computed: unknown): void {
    draft.adopt(computed as object); // `endRecipe` is its only source.
  }
}

/** Throws `StateTypeError` for a recipe that is no function. */
export function checkRecipe(recipe: unknown): void {
  if (typeof recipe === "function") return;
  const fields = { path: "", expected: "a recipe function", received: typeName(recipe) };
  throw new StateTypeError(fields);
}

/** Makes a draft of a state, to be ended with `endRecipe`. */
export function createDraft(state: object): object {
  return immer.createDraft(state);
}

/** The frozen state under a draft; for code that makes the next state by itself. */
export function originalOf(draft: object): object {
  return original(draft) ?? draft; // `undefined` only for a value that is no draft.
}
