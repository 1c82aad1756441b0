/**
 * `transact(recipe)`: a recipe whose call resolves to what the recipe returned.
 *
 * The drafts of all scopes and the parts of them that the recipe returned are ended together by
 * immer, as parts of one draft: `{ states, found }`. So a returned part is the same node that its
 * next state has. Its committed copy is at the same path of the committed state.
 *
 * Invariants
 *  T1  What a recipe returns never replaces a state.
 *  T2  A draft in the result, also in plain objects, arrays, sets, maps and their keys, becomes the
 *      frozen value in its place in the committed state; a frozen copy when it was removed from
 *      there.
 *  T3  Other values of the result are the recipe's own and are not changed; containers around a
 *      draft are copied.
 *  T4  The result is that of the last run, which is the run whose change is saved.
 */
import { types } from "node:util";
import { isDraft } from "immer";
import type { DraftState } from "../state/draft-state.ts";
import { copyIn } from "../state/copy.ts";
import { copyRecord } from "../state/patches.ts";
import type { MutationContext } from "../protocol.ts";
import type { Draft } from "../state-types.ts";
import { type Mutation, whenDone } from "./mutation.ts";
import { checkRecipe } from "./recipe.ts";
import { immer, nextState, valuesIn } from "./recipe-result.ts";

/** A recipe that changes `draft` in place; its call resolves to what it returns. */
export type TransactRecipe<S, R> = (draft: Draft<S>, context: MutationContext) => R | Promise<R>;

/** What a recipe made of its drafts, and what it returned. */
export interface Transacted {
  /** The next states, in order, not yet copied. */
  readonly nexts: readonly object[];
  /** The result, once the states are committed as `committed`, in order. */
  readonly result: (committed: readonly object[]) => unknown;
}

/** Drafts of several states that are ended together. */
export class TransactDrafts {
  readonly #root: { states: object[]; found: unknown[] };
  readonly drafts: readonly object[];

  constructor(states: readonly object[]) {
    this.#root = immer.createDraft({ states: [...states], found: [] as unknown[] });
    this.drafts = states.map((state, index) => this.#root.states[index] ?? state);
  }

  /** Ends the drafts of a recipe that returned `returned`. */
  end(returned: unknown): Transacted {
    const { drafts, containers } = partsOf(returned);
    this.#root.found = [...drafts]; // immer replaces drafts in this list.
    const { states, found } = immer.finishDraft(this.#root);
    const nexts = states.map(nextState);
    const ended = new Map(drafts.map((draft, index) => [draft, found[index]]));
    if (!isObject(returned)) return { nexts, result: () => returned };
    const result = (committed: readonly object[]): unknown =>
      new Result(ended, placesOf(nexts, committed), containers).of(returned);
    return { nexts, result };
  }
}

/** A `transact` recipe as a mutation; its call resolves to the result. */
export class TransactMutation<S extends object> implements Mutation {
  readonly operation = "update";
  readonly #recipe: TransactRecipe<S, unknown>;
  #result: unknown;

  constructor(recipe: TransactRecipe<S, unknown>) {
    this.#recipe = recipe;
  }

  compute(state: object, context: MutationContext): unknown {
    checkRecipe(this.#recipe);
    const work = new TransactDrafts([state]);
    // The only draft; the caller declares the type of the state.
    const returned: unknown = this.#recipe(work.drafts[0] as Draft<S>, context);
    return whenDone(returned, (value) => work.end(value));
  }

  write(draft: DraftState, computed: unknown): void {
    const [next] = transacted(computed).nexts;
    if (next !== undefined) draft.adopt(next);
  }

  settle(draft: DraftState, computed: unknown): void {
    this.#result = transacted(computed).result([draft.expose()]);
  }

  answer(): unknown {
    return this.#result;
  }
}

function transacted(computed: unknown): Transacted {
  return computed as Transacted; // `compute` is its only source.
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

/** The drafts in a returned value, which are not searched, and its containers. */
function partsOf(returned: unknown): { drafts: object[]; containers: object[] } {
  const drafts = new Set<object>();
  const containers = new Set<object>([[returned]]);
  for (const node of containers)
    // Also nodes added during the loop.
    for (const value of partsIn(node)) {
      if (!isObject(value)) continue;
      if (isDraft(value)) drafts.add(value);
      else containers.add(value);
    }
  return { drafts: [...drafts], containers: [...containers] };
}

/** The values in a container of a result, and the keys of a map. */
function partsIn(node: unknown): Iterable<unknown> {
  return types.isMap(node) ? [...node].flat(1) : valuesIn(node);
}

/** The committed value of each node that a recipe has made; the frozen ones are their own. */
function placesOf(states: readonly object[], committed: readonly object[]): Map<object, unknown> {
  const places = new Map<object, unknown>();
  const note = (made: unknown, value: unknown): void => {
    if (isObject(made) && value !== undefined && !Object.isFrozen(made) && !places.has(made))
      places.set(made, value);
  };
  states.forEach((state, index) => note(state, committed[index]));
  for (const [made, value] of places) {
    // Also nodes added during the loop.
    if (!isObject(value)) continue;
    if (types.isMap(made) && types.isMap(value))
      for (const [key, child] of made) note(child, value.get(key));
    else if (types.isSet(made) && types.isSet(value)) {
      const members = [...value];
      [...made].forEach((child, index) => note(child, members[index]));
    } else
      for (const [key, child] of Object.entries(made))
        if (Object.hasOwn(value, key)) note(child, Reflect.get(value, key));
  }
  return places;
}

/** The returned value with committed values in place of drafts and of new parts of the states. */
class Result {
  readonly #ended: ReadonlyMap<unknown, unknown>;
  readonly #places: ReadonlyMap<unknown, unknown>;
  /** The containers from which such a value is reached (T3). */
  readonly #around = new Set<unknown>();
  readonly #copies = new Map<unknown, object>();

  constructor(
    ended: ReadonlyMap<unknown, unknown>,
    places: ReadonlyMap<unknown, unknown>,
    containers: readonly object[],
  ) {
    this.#ended = ended;
    this.#places = places;
    const leads = (value: unknown): boolean =>
      ended.has(value) || places.has(value) || this.#around.has(value);
    for (let size = -1; size < this.#around.size;) {
      size = this.#around.size;
      for (const node of containers.toReversed())
        if ([...partsIn(node)].some(leads)) this.#around.add(node);
    }
  }

  of(value: unknown): unknown {
    if (this.#ended.has(value)) return this.#committed(this.#ended.get(value));
    if (this.#places.has(value)) return this.#places.get(value);
    return isObject(value) && this.#around.has(value)
      ? (this.#copies.get(value) ?? this.#copy(value))
      : value;
  }

  #committed(node: unknown): unknown {
    if (this.#places.has(node)) return this.#places.get(node);
    return isObject(node) && !Object.isFrozen(node) ? copyIn(node, "result") : node;
  }

  #copy(node: object): object {
    const keep = <T extends object>(copy: T): T => {
      this.#copies.set(node, copy); // Before its members: they may refer to it.
      return copy;
    };
    if (Array.isArray(node)) {
      const list = keep<unknown[]>([]);
      for (const value of node) list.push(this.of(value));
      return list;
    }
    if (types.isMap(node)) {
      const map = keep(new Map<unknown, unknown>());
      for (const [key, value] of node) map.set(this.of(key), this.of(value));
      return map;
    }
    if (types.isSet(node)) {
      const set = keep(new Set<unknown>());
      for (const value of node) set.add(this.of(value));
      return set;
    }
    const record = keep(copyRecord(node));
    for (const key of Object.keys(record)) record[key] = this.of(record[key]);
    return record;
  }
}
