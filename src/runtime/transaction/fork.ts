/**
 * Forks of scopes: a new scope of the kind with the state, or a past state, of another one.
 *
 * Invariants
 *  F1  A fork is the first change of a scope that does not exist: the store's version check decides
 *      between several at once. A scope that exists is not changed.
 *  F2  A fork resolves when it is stored; only its state comes from the other scope, neither its
 *      history nor its keys of `once`.
 */
import { isHoldfastError, ScopeExistsError } from "../../../actors/errors.ts";
import type { Mutation } from "../../../actors/scope/mutation.ts";
import { refuseUnknown } from "../../../actors/scope/options.ts";
import { writeNext } from "../../../actors/scope/recipe.ts";
import type { DraftState } from "../../../actors/state/draft-state.ts";
import { ScopeHandle } from "../handle.ts";
import { checkId } from "../id.ts";
import type { ResidentScope } from "../resident-scope.ts";
import type { Scope } from "../scope.ts";
import type { ScopeOwner } from "../session/binding.ts";
import { type OwningRuntime, ownScope } from "./several.ts";

/** The runtime whose scope is forked. */
interface ForkingRuntime extends OwningRuntime {
  open(type: string, id: string, owner: ScopeOwner): Promise<ResidentScope>;
}

/** Options of `fork`. */
export interface ForkOptions {
  /** The version, or the time, whose state the fork gets; default the current state. */
  readonly at?: number | Date | undefined;
}

/** The first change of a scope; throws `ScopeExistsError` when the scope exists. */
class CreateMutation implements Mutation {
  readonly operation = "set";
  readonly first = true;
  readonly verifies = true;
  readonly #scope: ResidentScope;
  readonly #state: object;

  constructor(scope: ResidentScope, state: object) {
    this.#scope = scope;
    this.#state = state;
  }

  write(draft: DraftState): void {
    const { exists, identity: scope } = this.#scope;
    if (exists) throw new ScopeExistsError({ scope });
    writeNext(draft, this.#state);
    // Stored also when it is the initial state.
    if (!draft.changed) draft.take(draft.expose(), [], []);
  }
}

/** Makes a fork; see the head of this file. */
export async function forkScope<S extends object>(
  home: ForkingRuntime,
  given: Scope<S>,
  newId: string,
  options: ForkOptions = {},
): Promise<Scope<S>> {
  refuseUnknown("fork", options, ["at"]);
  const source = ownScope(home, "fork", given);
  const { at } = options;
  const { type, userId, orgId } = source.identity;
  const id = checkId(newId);
  const state: object = at === undefined ? await source.read() : (await source.at(at)).state;
  const owner = { ...(userId !== undefined && { userId }), ...(orgId !== undefined && { orgId }) };
  const made = await home.open(type, id, owner);
  await made.mutate(new CreateMutation(made, state));
  await made.flush().catch((error: unknown) => {
    // A checkpoint scope is made in memory first, and may then meet one that another writer made.
    const cause = isHoldfastError(error) ? error.cause : undefined;
    throw isHoldfastError(cause, "SCOPE_EXISTS") ? cause : error;
  });
  return new ScopeHandle<S>(made); // It has the kind of the given one.
}
