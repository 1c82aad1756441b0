/**
 * Whose a session is. The first use of a session by a user (and organisation) binds it for good;
 * the binding is a record of its own beside the session, so every runtime on the store sees it and
 * the session itself stays at version 0 until somebody writes it.
 */
import { equal } from "../../actors/equal.ts";
import { BindingMismatchError, StoreContractError } from "../../actors/errors.ts";
import type { Json, ScopeIdentity } from "../../actors/protocol.ts";
import { isPlainObject } from "../../actors/values.ts";
import { encodeKey } from "../stores/keys.ts";
import type { BatchedStore } from "./bridge.ts";

/** The key of a session's binding: in a namespace of its own, so that no scope can reach it. */
export function bindingKey(namespace: string, sessionId: string): string {
  return encodeKey(`${namespace}.binding`, "session", sessionId);
}

/** Who a session belongs to. */
export interface Binding {
  readonly userId: string;
  readonly orgId?: string;
}

/** Binds a session, or checks that it is bound just so; throws `BindingMismatchError`. */
export async function bind(
  store: BatchedStore,
  key: string,
  wanted: Binding,
  scope: ScopeIdentity,
): Promise<void> {
  const known = await store.load(key);
  if (known?.state !== undefined) return checkBinding(bindingOf(known.state), wanted, scope);
  const state: Json = { ...wanted };
  const expectedVersion = known?.version ?? 0;
  const write = { key, expectedVersion, version: expectedVersion + 1, state };
  const result = await store.commit(write);
  if (result.ok) return;
  const winner = result.current?.state;
  if (winner === undefined)
    throw new StoreContractError({ expected: "the winner's binding", received: winner }, { scope });
  checkBinding(bindingOf(winner), wanted, scope);
}

/** The stored binding of a session, when it has one. */
export async function loadBinding(store: BatchedStore, key: string): Promise<Binding | undefined> {
  const record = await store.load(key);
  return record?.state === undefined ? undefined : bindingOf(record.state);
}

function bindingOf(stored: Json): Binding {
  const { userId, orgId } = isPlainObject(stored) ? stored : {};
  const user = { userId: typeof userId === "string" ? userId : "" };
  return typeof orgId === "string" ? { ...user, orgId } : user;
}

/** Throws `BindingMismatchError` when a session is bound otherwise than wanted. */
export function checkBinding(
  bound: Partial<Binding>,
  wanted: Partial<Binding>,
  scope: ScopeIdentity,
): void {
  if (equal(bound, wanted)) return;
  const what = bound.userId === wanted.userId ? "organisation" : "user";
  throw new BindingMismatchError(
    `session "${scope.id}" is bound to another ${what} and cannot be opened by this one`,
    { scope },
  );
}
