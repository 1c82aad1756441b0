/**
 * Forks of scopes: a new scope of the kind with the state, or a past state, of another one.
 *
 * Invariants
 *  F1  A fork is made as `create.ts` makes scopes: one that exists is not changed.
 *  F2  Only its state comes from the other scope, neither its history nor its keys of `once`.
 */
import { refuseUnknown } from "../../../actors/scope/options.ts";
import { checkId } from "../id.ts";
import type { Scope } from "../scope.ts";
import { type CreatingRuntime, createScope } from "./create.ts";
import { type OwningRuntime, ownScope } from "./several.ts";

/** The runtime whose scope is forked. */
interface ForkingRuntime extends OwningRuntime, CreatingRuntime {}

/** Options of `fork`. */
export interface ForkOptions {
  /** The version, or the time, whose state the fork gets; default the current state. */
  readonly at?: number | Date | undefined;
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
  // It has the kind of the given one.
  return (await createScope(home, { type, id, owner, state })) as unknown as Scope<S>;
}
