/**
 * Recipes and exclusive sections over several scopes of one runtime, as the runtime receives them.
 */
import { ScopeStoppedError } from "../../../actors/errors.ts";
import type { MutationContext, MutationOptions } from "../../../actors/protocol.ts";
import type { ExclusiveOptions } from "../../../actors/scope/exclusive.ts";
import { checkRecipe } from "../../../actors/scope/recipe.ts";
import { typeName } from "../../../actors/state/copy.ts";
import { residentOf } from "../handle.ts";
import { withScopes } from "../held-scope.ts";
import type { ResidentScope } from "../resident-scope.ts";
import { Transaction, type TransactionRecipe } from "./transaction.ts";

/** The runtime whose scopes may take part. */
export interface OwningRuntime {
  owns(scope: ResidentScope): boolean;
}

/** The scopes of handles of `runtime`, which `what` takes; throws `TypeError` for anything else. */
function ownScopes(runtime: OwningRuntime, what: string, scopes: unknown): ResidentScope[] {
  if (!Array.isArray(scopes))
    throw new TypeError(`${what} takes a list of scopes, received ${typeName(scopes)}`);
  return scopes.map((scope: unknown) => ownScope(runtime, what, scope));
}

/** The scope of a handle of `runtime`; throws `TypeError` for anything else. */
export function ownScope(runtime: OwningRuntime, what: string, scope: unknown): ResidentScope {
  const resident = residentOf(scope);
  if (resident === undefined || !runtime.owns(resident))
    throw new TypeError(
      `${what} takes scopes opened through this runtime, not what a section passes to its code`,
    );
  if (resident.stopped) throw new ScopeStoppedError({ scope: resident.identity });
  return resident;
}

/** Runs a recipe of `transaction`; resolves to whether anything changed. */
export async function runTransaction(
  runtime: OwningRuntime,
  scopes: unknown,
  recipe: unknown,
  options: MutationOptions | undefined,
): Promise<boolean> {
  const residents = ownScopes(runtime, "a transaction", scopes);
  checkRecipe(recipe);
  // The drafts are made from these scopes in this order, so they have the types of the recipe.
  const edit = recipe as (...args: object[]) => void | Promise<void>;
  // A recipe that takes its drafts as a rest parameter receives nothing but drafts.
  const takesContext = edit.length > residents.length;
  const run: TransactionRecipe = (drafts, context) =>
    edit(...drafts, ...(takesContext ? [context] : []));
  const changed = await new Transaction(residents, run, options, "changed").run();
  return changed === true;
}

/**
 * Runs a recipe of `transact`; resolves to its result. One scope needs no store that can commit
 * several records.
 */
export async function runTransact<R>(
  runtime: OwningRuntime,
  scopes: unknown,
  recipe: unknown,
  options: MutationOptions | undefined,
): Promise<R> {
  const residents = ownScopes(runtime, "transact", scopes);
  const [first] = residents;
  if (first === undefined) throw new TypeError("transact needs a scope at least, received none");
  checkRecipe(recipe);
  // The drafts are made from these scopes in this order, so they have the types of the recipe.
  const run = recipe as (drafts: object[], context: MutationContext) => R | Promise<R>;
  const draftsOf = (draft: object): object[] => residents.map(() => draft);
  if (residents.every((each) => each === first))
    return first.transact((draft, context) => run(draftsOf(draft), context), options);
  const done: Promise<unknown> = new Transaction(residents, run, options, "result").run();
  return done as Promise<R>; // It resolves to the result of its recipe.
}

/**
 * `runTransact` for a step of a run, which may run again: over scopes that keep its `once` key in
 * their store. Rejects with `TypeError` for a volatile scope.
 */
export async function runStepTransact(
  runtime: OwningRuntime,
  scopes: unknown,
  recipe: unknown,
  options: MutationOptions,
): Promise<unknown> {
  const residents = ownScopes(runtime, "transact of a step", scopes);
  const lost = residents.find(({ backing }) => backing === null);
  if (lost === undefined) return runTransact(runtime, scopes, recipe, options);
  const { type, id } = lost.identity;
  throw new TypeError(
    `transact of a step takes scopes that are stored, and ${type}/${id} is volatile`,
  );
}

/**
 * Runs `work` while it has the scopes to itself, acquired in the order of their keys; it receives a
 * held scope for each position of the list.
 */
export async function runSection<T>(
  runtime: OwningRuntime,
  scopes: unknown,
  work: unknown,
  options: ExclusiveOptions | undefined,
): Promise<T> {
  const residents = ownScopes(runtime, "exclusive", scopes);
  const ordered = [...new Set(residents)].toSorted((a, b) => (a.key < b.key ? -1 : 1));
  // Held scopes are made of these scopes in this order, so they have the types that `work` takes.
  const run = work as (held: object[], context: MutationContext) => T | Promise<T>;
  return withScopes(residents, run, options, ordered);
}
