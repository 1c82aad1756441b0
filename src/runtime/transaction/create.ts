/**
 * Makes scopes that are not expected to exist: their first change is saved without a read. A fork
 * has the state, or a past state, of another scope of its kind, but neither its history nor its
 * keys of `once`.
 *
 * Invariants
 *  N1  It is the first change of a scope that does not exist: the store's version check decides
 *      between several at once. A scope that exists is not changed.
 *  N2  It resolves when it is stored. The scope has its key from then on: a call that opens the key
 *      meanwhile waits, and reads the record when the save has failed.
 */
import { isHoldfastError, ScopeExistsError } from "../../../actors/errors.ts";
import { refuseUnknown } from "../../../actors/scope/options.ts";
import { WrappedMutation } from "../../../actors/scope/wrapped-mutation.ts";
import type { DraftState } from "../../../actors/state/draft-state.ts";
import type { Calls } from "../calls.ts";
import { ScopeHandle } from "../handle.ts";
import { checkId } from "../id.ts";
import { refuseRun } from "../kinds.ts";
import type { ResidentScope } from "../resident-scope.ts";
import type { Scope } from "../scope.ts";
import type { ScopeOwner } from "../session/binding.ts";
import { SetMutation } from "../state-ops.ts";
import { type OwningRuntime, ownScope } from "./several.ts";

/** The first change of a scope that was not read; resolves to false when it failed. */
export type FirstChange = (scope: ResidentScope) => Promise<boolean>;

/** The runtime in which a scope is made. */
export interface CreatingRuntime {
  readonly calls: Calls;
  open(type: string, id: string, owner: ScopeOwner, first?: FirstChange): Promise<ResidentScope>;
}

/** Which scope is made. */
export interface NewScope {
  readonly type: string;
  readonly id: string;
  readonly owner?: ScopeOwner | undefined;
  readonly state: unknown;
}

/** The first change of a scope; throws `ScopeExistsError` when the scope exists. */
class CreateMutation extends WrappedMutation {
  readonly first = true;
  readonly verifies = true;
  readonly #scope: ResidentScope;

  constructor(scope: ResidentScope, state: unknown) {
    super(new SetMutation(scope.identity, state));
    this.#scope = scope;
  }

  override write(draft: DraftState, computed: unknown): void {
    const { exists, identity: scope } = this.#scope;
    if (exists) throw new ScopeExistsError({ scope });
    super.write(draft, computed);
    // Stored also when it is the initial state.
    if (!draft.changed) draft.take(draft.expose(), [], []);
  }
}

/** Opens a scope, loaded or new. */
export async function openScope(
  home: CreatingRuntime,
  type: string,
  id: string,
  owner: ScopeOwner,
): Promise<ScopeHandle<Record<string, unknown>>> {
  refuseRun(type);
  refuseUnknown("open", owner, ["userId", "orgId"]);
  home.calls.enter();
  try {
    return new ScopeHandle(await home.open(type, id, owner));
  } finally {
    home.calls.leave();
  }
}

/** Makes a scope; see the head of this file. */
export async function createScope(home: CreatingRuntime, made: NewScope): Promise<ScopeHandle> {
  const { type, id, owner = {}, state } = made;
  refuseRun(type);
  refuseUnknown("create", owner, ["userId", "orgId"]);
  const save = async (scope: ResidentScope): Promise<unknown> =>
    scope.mutate(new CreateMutation(scope, state));
  let saved: Promise<unknown> | undefined;
  const scope = await home.open(type, id, owner, async (unread) => {
    saved = save(unread);
    const isSaved = await saved.then(
      () => true,
      () => false,
    );
    if (!isSaved) await unread.stop().catch(() => undefined); // Nothing of it is unsaved.
    return isSaved;
  });
  await (saved ?? save(scope));
  await scope.flush().catch((error: unknown) => {
    // A checkpoint scope is made in memory first, and may then meet one that another writer made.
    const cause = isHoldfastError(error) ? error.cause : undefined;
    throw isHoldfastError(cause, "SCOPE_EXISTS") ? cause : error;
  });
  return new ScopeHandle(scope);
}

/** Options of `fork`. */
export interface ForkOptions {
  /** The version, or the time, whose state the fork gets; default the current state. */
  readonly at?: number | Date | undefined;
}

/** Makes a fork; see the head of this file. */
export async function forkScope<S extends object>(
  home: OwningRuntime & CreatingRuntime,
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
  // It has the kind of the given one.
  return (await createScope(home, { type, id, owner, state })) as unknown as Scope<S>;
}
