/**
 * Ends the drafts of a recipe, and decides what its return value means.
 *
 * A recipe changes drafts, or it returns a state that replaces its only draft; both is a mistake.
 * An arrow function returns the value of its expression, so `(d) => d.list.push(x)` and
 * `(d) => (d.user = {…})` return a value by accident: one that loses nothing is accepted.
 *
 *     returned                            a draft was changed      no draft was changed
 *     nothing, a number, a boolean, …     the drafts count         the drafts count
 *     a draft, or a part of one           the drafts count         the drafts count
 *     a text                              the drafts count         refused, unless the state has it
 *     a list                              the drafts count         refused
 *     an object                           refused, unless it was   the next state; refused when it
 *                                         put into a draft         is no plain object, is a part of
 *                                                                  the state, or drafts are several
 */
import { types } from "node:util";
import { current, enableMapSet, Immer, isDraft, original } from "immer";
import { StateTypeError } from "../errors.ts";
import { isPlainObject, typeName } from "../state/copy.ts";

enableMapSet();

/** The one immer of the library; states are frozen when they are committed. */
export const immer: Immer = new Immer({ autoFreeze: false });

/**
 * Ends the drafts of a recipe that returned `returned`; returns their next states, in order, not
 * yet copied. Throws `StateTypeError` when the returned value would be lost.
 */
export function endRecipe(drafts: readonly object[], returned: unknown): readonly object[] {
  if (!mayBeLost(returned)) return drafts.map(finish);
  const [draft] = drafts;
  if (isPlainObject(returned) && draft !== undefined && drafts.every(isUntouched)) {
    const isPart = drafts.some((each) => holds(original(each), (value) => value === returned));
    if (drafts.length > 1 || isPart) throw refusal(returned, drafts.length);
    if (!holds(returned, isDraft)) return [returned];
    replaceFields(draft, returned);
    return [finish(draft)];
  }
  const before = drafts.map((each) => original(each));
  const next = drafts.map(finish);
  if (!isKept(returned, before, next)) throw refusal(returned, drafts.length);
  return next;
}

function finish(draft: object): object {
  return nextState(immer.finishDraft(draft));
}

/** Throws `StateTypeError` when what a recipe made is no state. */
export function nextState(next: unknown): object {
  if (isPlainObject(next)) return next;
  throw new StateTypeError({ path: "", expected: "an object", received: typeName(next) });
}

/** True when the states contain the returned value, or were changed and it is incidental. */
function isKept(returned: unknown, before: readonly unknown[], next: readonly object[]): boolean {
  const isIt = (value: unknown): boolean => value === returned;
  const isChanged = next.some((state, index) => state !== before[index]);
  if (Array.isArray(returned)) return isChanged;
  if (typeof returned === "string") return isChanged || before.some((state) => holds(state, isIt));
  return isChanged && next.some((state) => holds(state, isIt, isNew));
}

/** False for values that an arrow function returns by accident. */
function mayBeLost(returned: unknown): boolean {
  if (typeof returned === "object") return returned !== null && !isDraft(returned);
  return typeof returned === "string" || typeof returned === "function";
}

/** True when the draft is unchanged: immer then returns the state itself. */
function isUntouched(draft: object): boolean {
  try {
    return current(draft) === original(draft);
  } catch {
    return false; // immer copies what was put in, and cannot copy a cycle.
  }
}

/** Makes a draft equal to the returned value, which may contain parts of the draft. */
function replaceFields(draft: object, next: Record<string, unknown>): void {
  for (const key of Object.keys(draft))
    if (!Object.hasOwn(next, key)) Reflect.deleteProperty(draft, key);
  for (const key of Reflect.ownKeys(next)) Reflect.set(draft, key, Reflect.get(next, key));
}

/** True when `isIt` is true of a value anywhere in `container`; searches nodes that `enters`. */
function holds(
  container: unknown,
  isIt: (value: unknown) => boolean,
  enters: (node: object) => boolean = () => true,
): boolean {
  const seen = new Set<unknown>([container]);
  for (const node of seen)
    // Also nodes added during the loop.
    for (const value of valuesIn(node)) {
      if (isIt(value)) return true;
      if (typeof value === "object" && value !== null && enters(value)) seen.add(value);
    }
  return false;
}

/** Nodes of the state before are frozen. */
function isNew(node: object): boolean {
  return !Object.isFrozen(node);
}

/** The values in a container; none of any other value. */
export function valuesIn(node: unknown): Iterable<unknown> {
  if (types.isMap(node) || types.isSet(node) || Array.isArray(node)) return node.values();
  return isPlainObject(node) ? Object.values(node) : [];
}

function refusal(returned: unknown, drafts: number): StateTypeError {
  const expected =
    drafts === 1
      ? "a recipe that changes its draft or returns a new state (a plain object), not both"
      : "a recipe that changes its drafts and returns nothing";
  return new StateTypeError({ path: "", expected, received: typeName(returned) });
}
