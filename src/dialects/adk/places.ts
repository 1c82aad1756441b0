/** Where a session's records live on a runtime, and how several of them change together. */
import { originalOf } from "../../../actors/scope/recipe.ts";
import { residentOf } from "../../runtime/handle.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { Scope } from "../../runtime/scope.ts";
import { SESSION_KINDS, type PageRecord, type SessionRecord, type SharedRecord } from "./record.ts";
import type { SessionKey } from "./request.ts";
import { merged, type Writes } from "./write-order.ts";

/** The scopes of one session. */
export interface Places {
  readonly runtime: Runtime;
  readonly key: SessionKey;
  readonly session: Scope<SessionRecord>;
  readonly user: Scope<SharedRecord>;
  readonly app: Scope<SharedRecord>;
}

/** Names made of several parts; no two lists of parts share one. */
export function placeId(...parts: readonly string[]): string {
  return parts.map((part) => part.replaceAll("%", "%25").replaceAll("/", "%2F")).join("/");
}

/** The parts of a name. */
export function placeParts(id: string): string[] {
  return id.split("/").map((part) => part.replaceAll("%2F", "/").replaceAll("%25", "%"));
}

/** Adds the kinds of this dialect to a runtime. */
export function declareKinds(runtime: Runtime): void {
  for (const [type, kind] of Object.entries(SESSION_KINDS)) runtime.declare(type, kind);
}

/** Opens the scopes of a session, whether it exists or not. */
export async function openPlaces(runtime: Runtime, key: SessionKey): Promise<Places> {
  const { appName, userId, sessionId } = key;
  const [session, user, app] = await Promise.all([
    runtime.open<SessionRecord>("adk-session", placeId(appName, userId, sessionId)),
    runtime.open<SharedRecord>("adk-shared-user", placeId(appName, userId)),
    runtime.open<SharedRecord>("adk-shared-app", placeId(appName)),
  ]);
  return { runtime, key: { appName, userId, sessionId }, session, user, app };
}

/** Reads the store again: other processes may have written. */
export async function refreshPlaces({ session, user, app }: Places): Promise<void> {
  await Promise.all([session.refresh(), user.refresh(), app.refresh()]);
}

/** Opens a page of a session's history. */
export function openPage(
  { runtime, key }: Places,
  uid: string,
  page: number,
): Promise<Scope<PageRecord>> {
  const { appName, userId, sessionId } = key;
  const id = placeId(appName, userId, sessionId, uid, String(page));
  return runtime.open<PageRecord>("adk-session-page", id);
}

/** One change of a session and of what it shares. */
export interface Change {
  /** The next record; `undefined` refuses the whole change. A throw refuses it with that error. */
  readonly session: (record: SessionRecord) => SessionRecord | undefined;
  readonly user: Writes;
  readonly app: Writes;
}

/**
 * Makes a change; resolves to false when it was refused. All or nothing where the store has
 * transactions; elsewhere the session is written first and the shared values after it.
 */
export async function changePlaces(places: Places, change: Change): Promise<boolean> {
  const { session, user, app, runtime } = places;
  const shared = [
    { scope: user, writes: change.user },
    { scope: app, writes: change.app },
  ].filter(({ writes }) => Object.keys(writes.values).length > 0);
  let accepted = false;
  const editSession = (draft: object): void => {
    // The drafts are made of these scopes, whose states have these types.
    const next = change.session(originalOf(draft) as SessionRecord);
    accepted = next !== undefined;
    if (next !== undefined) Object.assign(draft, next);
  };
  if (shared.length > 0 && canTransact(session)) {
    await runtime.transaction(
      [session, ...shared.map(({ scope }) => scope)],
      (first, ...drafts) => {
        editSession(first);
        if (!accepted) return;
        drafts.forEach((draft, at) => editShared(draft, shared[at]?.writes));
      },
    );
    return accepted;
  }
  await session.update(editSession);
  if (!accepted) return false;
  await Promise.all(
    shared.map(({ scope, writes }) => scope.update((draft) => editShared(draft, writes))),
  );
  return true;
}

function editShared(draft: object, writes: Writes | undefined): void {
  // Only scopes of this state are given.
  const record = originalOf(draft) as SharedRecord;
  if (writes !== undefined) Object.assign(draft, merged(record, writes));
}

function canTransact(scope: unknown): boolean {
  return residentOf(scope)?.kind.store.supports.transactions === true;
}
