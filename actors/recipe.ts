/**
 * `update(recipe)`: a mutation written as changes on an immer draft.
 *
 * immer makes the next state; this file makes it ours. Values the recipe put in belong to the
 * caller, so each is copied in where its patch says it landed, and the nodes immer made on the way
 * there are frozen. Untouched subtrees are shared with the previous state and frozen already (A2),
 * so the work is proportional to the change.
 *
 * immer cannot turn +0 into −0 (it takes them for the same), and Dates and byte arrays are not
 * drafted: replace them, do not edit them in place.
 */
import { enablePatches, Immer, type Draft } from "immer";
import { ownValue, type Head } from "./apply.ts";
import { equal } from "./equal.ts";
import { isThenable, type Mutation } from "./mutation.ts";
import type { MutatorTurn, Patch, ScopeIdentity } from "./protocol.ts";
import { StateTypeError } from "./errors.ts";
import { copyIn, freezeShallow, isPlainObject, typeName } from "./values.ts";

enablePatches();
const immer = new Immer({ autoFreeze: false });

/** What callers write: changes `draft` in place; anything returned is ignored unless a promise. */
export type Recipe<S> = (draft: Draft<S>, turn: MutatorTurn) => void | Promise<void>;

type Produced = readonly [next: object, patches: Patch[], inverse: Patch[]];

/** Turns a recipe into a mutation. */
export class RecipeMutation<S extends object> implements Mutation {
  readonly operation = "update";
  readonly #recipe: Recipe<S>;

  constructor(recipe: Recipe<S>) {
    this.#recipe = recipe;
  }

  compute(state: object, turn: MutatorTurn): unknown {
    const draft = immer.createDraft(state as S); // The scope's state type is the caller's promise.
    const finish = (): Produced => finishDraft(draft);
    const returned = this.#recipe(draft, turn);
    return isThenable(returned) ? returned.then(finish) : finish();
  }

  write(head: Head, computed: unknown): void {
    const [next, patches, inverse] = computed as Produced; // `compute` above is its only source.
    if (patches.length === 0) return;
    const before = head.expose();
    if (equal(before, next)) return;
    const [state, owned] = adopt(next, patches, head.scope);
    if (patches.every(({ path }) => path.every(isPathKey))) head.take(state, owned, inverse);
    else head.replace(state); // A map's key that no patch can name: the patch is the whole state.
  }
}

/** Makes a draft of a state, to be ended with `finishDraft`. */
export function createDraft(state: object): object {
  return immer.createDraft(state);
}

/** Ends a draft: the next state, the patches to it and the patches back. */
export function finishDraft(draft: unknown): Produced {
  let patches: Patch[] = [];
  let inverse: Patch[] = [];
  const next: unknown = immer.finishDraft(draft as Draft<object>, (forward, backward) => {
    patches = forward;
    inverse = backward;
  });
  if (!isPlainObject(next))
    throw new StateTypeError({ path: "", expected: "an object", received: typeName(next) });
  return [next, patches, inverse];
}

/** Copies in every value that a patch put into `next` and freezes the nodes immer made. */
export function adopt(
  next: object,
  patches: readonly Patch[],
  scope?: ScopeIdentity,
): [object, Patch[]] {
  let state = next;
  const owned = patches.map((patch) => {
    const path = patch.path.map(String).join(".");
    const value = copyIn(patch.value, path, { depth: patch.path.length, scope });
    if (value === patch.value) return patch;
    if (patch.path.length === 0) state = value as object; // A root patch holds a whole state.
    else place(state, patch.path, value);
    return { ...patch, value };
  });
  freezeNew(state);
  return [state, owned];
}

/** Puts the copied value where immer had put the caller's own object. */
function place(state: object, path: Patch["path"], value: unknown): void {
  const parent = path.slice(0, -1).reduce(step, state as unknown);
  const key = path.at(-1);
  if (parent instanceof Map) parent.set(key, value);
  else if (parent instanceof Set) copyMembers(parent);
  else if (Array.isArray(parent)) parent[Number(key)] = value;
  else if (isPlainObject(parent)) parent[String(key)] = value;
}

/** A set's patches name values and not places, so every member is copied, in order. */
function copyMembers(set: Set<unknown>): void {
  const members = [...set].map((member) => copyIn(member, "member"));
  set.clear();
  for (const member of members) set.add(member);
}

/** Keys of maps can be anything; immer puts them into paths as they are. */
function isPathKey(key: unknown): boolean {
  return typeof key === "string" || typeof key === "number";
}

/** One step down a path; a missing place reads as `undefined`. */
function step(node: unknown, key: string | number): unknown {
  if (node instanceof Map) return node.get(key);
  if (node instanceof Set) return [...node][Number(key)];
  return typeof node === "object" && node !== null ? ownValue(node, String(key)) : undefined;
}

/** Freezes every node that is not frozen yet; below a frozen node all are frozen (A2). */
function freezeNew(node: unknown): void {
  if (typeof node !== "object" || node === null || Object.isFrozen(node)) return;
  if (node instanceof Date || node instanceof Uint8Array) return;
  freezeShallow(node);
  if (node instanceof Map) for (const pair of node) for (const part of pair) freezeNew(part);
  else for (const child of node instanceof Set ? node : Object.values(node)) freezeNew(child);
}
