/**
 * Bindings of sessions to users. The first use of a session by a user (and organisation) binds it
 * permanently. The binding is its own record beside the session: every runtime on the store sees
 * it, and the session itself stays at version 0 until its first write.
 */
import { equal } from "../../../actors/state/equal.ts";
import { BindingMismatchError, isHoldfastError } from "../../../actors/errors.ts";
import type { Json, ScopeIdentity } from "../../../actors/protocol.ts";
import {
  conflictError,
  isRefused,
  ownRetries,
  retry,
  type SaveStep,
} from "../../../actors/scope/retry.ts";
import { isPlainObject } from "../../../actors/state/copy.ts";
import { encodeKey } from "../scope-key.ts";
import type { BatchingStore } from "../persistence/batching-store.ts";
import { createHash, randomUUID } from "../../stores/shared/node-crypto.ts";

/** For a binding that others write meanwhile, or whose write has an unknown outcome. */
const BIND_RETRIES = ownRetries({ maxRetries: 3 });

/**
 * The key of a session's binding. No key of a scope starts like it: in a namespace a `%` is
 * followed by a hexadecimal number.
 */
export function bindingKey(namespace: string, sessionId: string): string {
  return `%binding/${encodeKey(namespace, "session", sessionId)}`;
}

/** Extra parts of an identity. */
export interface ScopeOwner {
  readonly userId?: string | undefined;
  readonly orgId?: string | undefined;
}

/** The owner of a session. */
export interface Binding {
  readonly userId: string;
  readonly orgId?: string;
}

const EPHEMERAL = /^ephemeral_[-0-9a-f]{36}_([0-9a-f]{32})$/;

function digest({ userId, orgId }: Partial<Binding>): string {
  const owner = JSON.stringify([userId, orgId ?? null]);
  return createHash("sha256").update(owner).digest("hex").slice(0, 32);
}

/** An id of an ephemeral session. It names its owner, so no binding has to be stored. */
export function ephemeralId(owner: Binding): string {
  return `ephemeral_${randomUUID()}_${digest(owner)}`;
}

/** True for the id of an ephemeral session. */
export function isEphemeral(id: string): boolean {
  return EPHEMERAL.test(id);
}

/** True for an ephemeral id of this owner; throws for another owner's; else false. */
function ownsEphemeral(id: string, wanted: Binding, scope: ScopeIdentity): boolean {
  const owner = EPHEMERAL.exec(id)?.[1];
  if (owner === undefined) return false;
  if (owner === digest(wanted)) return true;
  const message = `session "${id}" was made up for another user and cannot be opened by this one`;
  throw new BindingMismatchError(message, { scope });
}

/** Binds a session to its user; returns its binding, or else the given owner. */
export async function bindSession(
  store: BatchingStore,
  { namespace, id }: { readonly namespace: string; readonly id: string },
  extra: ScopeOwner,
): Promise<Partial<Binding>> {
  const said = spoken(extra);
  const { userId } = said;
  const key = bindingKey(namespace, id);
  const scope = { type: "session", id };
  if (userId !== undefined && !ownsEphemeral(id, { ...said, userId }, scope))
    await bind(store, key, { ...said, userId }, scope);
  const bound = userId === undefined ? await loadBinding(store, key) : undefined;
  if (bound === undefined) return said;
  if (said.orgId !== undefined) checkBinding(bound, { ...bound, ...said }, scope);
  return bound;
}

/** Binds a session, or checks its equal binding; throws `BindingMismatchError`. */
async function bind(
  store: BatchingStore,
  key: string,
  wanted: Binding,
  scope: ScopeIdentity,
): Promise<void> {
  let version = 0;
  const attempt = async (): Promise<SaveStep> => {
    const known = await store.load(key);
    if (known?.state !== undefined) {
      checkBinding(bindingOf(known.state), wanted, scope);
      return "empty";
    }
    version = known?.version ?? 0;
    return (await tryBind(store, key, version, wanted)) ? "saved" : "conflict";
  };
  if (!isRefused(await retry({ ...BIND_RETRIES, attempt }))) return;
  throw conflictError(
    BIND_RETRIES.cas,
    { expectedVersion: version, actualVersion: version },
    scope,
  );
}

/** True when the binding is stored now; false when the store must be read again. */
async function tryBind(
  store: BatchingStore,
  key: string,
  version: number,
  wanted: Binding,
): Promise<boolean> {
  const state: Json = { ...wanted };
  try {
    const write = { key, expectedVersion: version, version: version + 1, state };
    return (await store.commit(write, write)).ok;
  } catch (error) {
    if (isHoldfastError(error, "COMMIT_UNKNOWN")) return false;
    throw error;
  }
}

/** The stored binding of a session, when it has one. */
async function loadBinding(store: BatchingStore, key: string): Promise<Binding | undefined> {
  const record = await store.load(key);
  return record?.state === undefined ? undefined : bindingOf(record.state);
}

function bindingOf(stored: Json): Binding {
  const { userId, orgId } = isPlainObject(stored) ? stored : {};
  const user = { userId: typeof userId === "string" ? userId : "" };
  return typeof orgId === "string" ? { ...user, orgId } : user;
}

/** Throws `BindingMismatchError` when a session has another owner than `wanted`. */
function checkBinding(
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

/** The given fields of an owner, without undefined ones. */
export function spoken({ userId, orgId }: ScopeOwner): Partial<Binding> {
  return {
    ...(userId === undefined ? {} : { userId }),
    ...(orgId === undefined ? {} : { orgId }),
  };
}

/** True when a scope in memory may be opened with `extra`; throws when it must not. */
export function agrees(identity: ScopeIdentity, extra: ScopeOwner): boolean {
  if (identity.type !== "session") return true;
  const said = spoken(extra);
  if (said.userId === undefined && said.orgId === undefined) return true;
  if (identity.userId === undefined) return false; // Not bound when it was opened: read the store.
  const bound = spoken(identity);
  checkBinding(bound, said.userId === undefined ? { ...bound, ...said } : said, identity);
  return true;
}
