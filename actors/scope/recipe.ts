/**
 * `update(recipe)`: a mutation written as changes on an immer draft.
 *
 * immer makes the next state, and `diff.ts` makes it ours: values the recipe put in belong to
 * the caller and are copied, and the patches are found by comparing, since immer's own are wrong
 * when one draft ends up in two places. Untouched subtrees are shared with the previous state.
 *
 * immer cannot turn +0 into −0 (it takes them for the same), and Dates and byte arrays are not
 * drafted: replace them, do not edit them in place.
 */
import { enableMapSet, Immer, original, type Draft } from "immer";
import type { DraftState } from "../state/draft-state.ts";
import { difference } from "../state/diff.ts";
import { StateTypeError } from "../errors.ts";
import { isThenable, type Mutation } from "./mutation.ts";
import type { MutationContext } from "../protocol.ts";
import { endDrafts } from "./recipe-result.ts";
import { isPlainObject, typeName } from "../state/copy.ts";

enableMapSet();
const immer = new Immer({ autoFreeze: false });

export type { Draft } from "immer";

/**
 * What callers write: changes `draft` in place, or returns the next state, a plain object;
 * `recipe-result.ts` says what else it may return.
 */
export type Recipe<S> = (draft: Draft<S>, context: MutationContext) => void | S | Promise<void | S>;

/** Turns a recipe into a mutation. */
export class RecipeMutation<S extends object> implements Mutation {
  readonly operation = "update";
  readonly #recipe: Recipe<S>;

  constructor(recipe: Recipe<S>) {
    this.#recipe = recipe;
  }

  compute(state: object, turn: MutationContext): unknown {
    const received = typeName(this.#recipe);
    if (typeof this.#recipe !== "function")
      throw new StateTypeError({ path: "", expected: "a recipe function", received });
    const draft = immer.createDraft(state as S); // The scope's state type is the caller's promise.
    const returned = this.#recipe(draft, turn);
    const end = (value: unknown): unknown => endRecipe([draft], value)[0];
    return isThenable(returned) ? returned.then(end) : end(returned);
  }

  write(draft: DraftState, computed: unknown): void {
    const before = draft.expose();
    const next = computed as object; // `finishDraft` is its only source.
    const { state, patches, inverse } = difference(before, next, draft.scope);
    if (state !== before) draft.take(state, patches, inverse);
  }
}

/** Makes a draft of a state, to be ended with `finishDraft`. */
export function createDraft(state: object): object {
  return immer.createDraft(state);
}

/**
 * Ends the drafts of a recipe: the next states, which have no owner yet; `RecipeMutation` writes
 * them. Throws `StateTypeError` when what the recipe returned would be lost.
 */
export function endRecipe(drafts: readonly object[], returned: unknown): readonly object[] {
  return endDrafts(drafts, returned, finishDraft);
}

function finishDraft(draft: unknown): object {
  const next: unknown = immer.finishDraft(draft as Draft<object>);
  if (isPlainObject(next)) return next;
  throw new StateTypeError({ path: "", expected: "an object", received: typeName(next) });
}

/** The frozen state a draft was made of; for code that makes the next state by itself. */
export function originalOf<S extends object>(draft: Draft<S>): Readonly<S> {
  // immer answers `undefined` only for what is no draft; the state has the type the draft is of.
  return original(draft) as Readonly<S>;
}
