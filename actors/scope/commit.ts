/**
 * Writes the confirmed state of a scope: once a scope is made, only these functions change its
 * version. Scopes that change together are confirmed here one by one, and announced by the
 * multi-scope commit, which also announces a container of flow-state: its version is the store's.
 *
 * Invariants
 *  F1  The state, its version and its existence change together, before any subscriber reads them.
 *  F2  A change is noted, then its call resolves, then it is announced.
 */
import type { Call, Outcome } from "./mailbox.ts";
import type { Mutation } from "./mutation.ts";
import { storedState } from "./options.ts";
import type { Tombstone, Stored } from "../protocol.ts";
import type { CommitBatch } from "./commit-batch.ts";
import { countSave } from "./counters.ts";
import type { Announced, ScopeCore } from "./scope-core.ts";
import { extrasOf, withExtras } from "../state/extras.ts";
import { equalState } from "../state/equal.ts";

/** The confirmed values; without `state` the draft state is the confirmed one. */
export interface Confirmed {
  readonly version: number;
  readonly exists: boolean;
  readonly state?: object;
}

/** Sets the confirmed state of a scope. */
export function confirm(scope: ScopeCore, { version, exists, state }: Confirmed): void {
  if (state !== undefined) scope.draft.reset(state);
  scope.version = version;
  scope.exists = exists;
}

/** One change that is confirmed without a save; `call` is absent when it did not wait. */
export function commitChange(
  scope: ScopeCore,
  mutation: Mutation,
  outcome: Outcome,
  call: Call | null,
): void {
  scope.version += 1;
  scope.exists = true;
  scope.settings.counters.mutations += 1;
  scope.noted(mutation, call, outcome);
  call?.resolve(true);
  if (scope.listening) scope.announce(mutation, outcome, call);
  scope.committed(call?.cause);
}

/** A deletion, by a caller or by expiry; `settle` is called before the events. */
export function commitDeletion(
  scope: ScopeCore,
  why: "delete" | "expire",
  { cause, options, settle }: Announced & { readonly settle: () => void },
): void {
  const before = scope.draft.expose();
  const { counters } = scope.settings;
  confirm(scope, { version: scope.version + 1, exists: false, state: scope.initial });
  if (why === "delete") counters.mutations += 1;
  if (scope.bridge !== null) countSave(counters, 1);
  scope.noted(why, null);
  settle();
  scope.committed(cause);
  scope.announceState({
    operation: "delete",
    origin: "local",
    before,
    cause,
    meta: options?.meta,
  });
}

/** The record was erased: the initial state at version 0, after one `delete` event. */
export function commitErasure(scope: ScopeCore): void {
  const before = scope.draft.expose();
  const { version, initial } = scope;
  confirm(scope, { version: version + 1, exists: false, state: initial });
  scope.announceState({ operation: "delete", origin: "local", before });
  confirm(scope, { version: 0, exists: false });
}

/** Adopts a stored state, or the initial one, and announces it when it differs. */
export function adopt(scope: ScopeCore, found: Stored<object> | Tombstone): void {
  const before = scope.draft.expose();
  const state = adoptedState(scope, found.state, before);
  const changed = found.version !== scope.version || !equalState(before, state);
  confirm(scope, { version: found.version, exists: found.state !== undefined, state });
  scope.taken();
  if (changed) scope.announceState({ operation: "refresh", origin: "remote", before });
}

/** A bridge of the user knows no extras: those in memory stay, until the record is deleted. */
function adoptedState(scope: ScopeCore, found: object | undefined, before: object): object {
  const state = storedState(found, scope);
  if (scope.settings.bridgeFreezes || found === undefined) return state;
  return withExtras(state, extrasOf(before));
}

/** Makes a new error for each call. */
export type MakeError = () => unknown;

/** Refuses the waiting calls of a batch, and resets the draft state to its base. */
export function refuse(scope: ScopeCore, batch: CommitBatch, error: MakeError): void {
  scope.draft.reset(batch.base);
  for (const call of batch.calls) if (!call.settled) call.reject(error());
}
