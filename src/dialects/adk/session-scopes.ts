/** The scopes of a session on a runtime, and changes of several of them together. */
import type { DraftState } from "../../../actors/state/draft-state.ts";
import type { Mutation } from "../../../actors/scope/mutation.ts";
import { originalOf } from "../../../actors/scope/recipe.ts";
import type { Admit } from "../../runtime/calls.ts";
import { residentOf } from "../../runtime/handle.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { Scope } from "../../runtime/scope.ts";
import { SESSION_KINDS, type PageRecord, type SessionRecord, type SharedRecord } from "./record.ts";
import type { SessionKey } from "./request.ts";
import { merged, type Writes } from "./write-order.ts";

/** The scopes of one session. */
export interface SessionScopes {
  readonly runtime: Runtime;
  readonly key: SessionKey;
  readonly session: Scope<SessionRecord>;
  readonly user: Scope<SharedRecord>;
  readonly app: Scope<SharedRecord>;
}

/** Joins several parts to one name; different lists of parts give different names. */
export function joinName(...parts: readonly string[]): string {
  return parts.map((part) => part.replaceAll("%", "%25").replaceAll("/", "%2F")).join("/");
}

/** The parts of a name. */
export function nameParts(id: string): string[] {
  return id.split("/").map((part) => part.replaceAll("%2F", "/").replaceAll("%25", "%"));
}

/** Adds the kinds of this dialect to a runtime. */
export function declareKinds(runtime: Runtime): void {
  for (const [type, kind] of Object.entries(SESSION_KINDS)) runtime.declare(type, kind);
}

/** Opens the scopes of a session, whether it exists or not. */
export async function openSessionScopes(runtime: Runtime, key: SessionKey): Promise<SessionScopes> {
  const { appName, userId, sessionId } = key;
  const [session, user, app] = await Promise.all([
    runtime.open<SessionRecord>("adk-session", joinName(appName, userId, sessionId)),
    runtime.open<SharedRecord>("adk-shared-user", joinName(appName, userId)),
    runtime.open<SharedRecord>("adk-shared-app", joinName(appName)),
  ]);
  return { runtime, key: { appName, userId, sessionId }, session, user, app };
}

/** Reads the store again, since other processes may have written. */
export async function refreshSessionScopes({ session, user, app }: SessionScopes): Promise<void> {
  await Promise.all([session.refresh(), user.refresh(), app.refresh()]);
}

/** Opens a page of a session's history. */
export function openPage(
  { runtime, key }: SessionScopes,
  uid: string,
  page: number,
): Promise<Scope<PageRecord>> {
  const { appName, userId, sessionId } = key;
  const id = joinName(appName, userId, sessionId, uid, String(page));
  return runtime.open<PageRecord>("adk-session-page", id);
}

/** Returns the next record for the present one; `undefined` for no change. */
type NextRecord<S> = (record: S) => S | undefined;

/** A synchronous change without a draft: it returns the whole next record. */
class RecordMutation implements Mutation {
  readonly operation = "update";
  readonly #next: NextRecord<object>;

  constructor(next: NextRecord<object>) {
    this.#next = next;
  }

  write(draft: DraftState): void {
    const next = this.#next(draft.expose());
    if (next !== undefined) draft.adopt(next);
  }
}

const atOnce: Admit = (begin) => begin();

/** Changes one record. `next` runs again after a conflict; its error is the rejection. */
export async function changeRecord<S extends object>(
  scope: Scope<S>,
  next: NextRecord<S>,
  admit: Admit = atOnce,
): Promise<void> {
  const resident = residentOf(scope);
  if (resident === undefined) throw new TypeError("not a scope of this library");
  // The state of the scope is an S.
  const mutation = new RecordMutation((record) => next(record as S));
  await admit(() => resident.mutate(mutation));
}

/** One change of a session and its shared records. */
export interface Change {
  /** The next record; `undefined` rejects the whole change. A throw rejects it with that error. */
  readonly session: (record: SessionRecord) => SessionRecord | undefined;
  readonly user: Writes;
  readonly app: Writes;
}

/**
 * Makes a change; resolves to false when it was rejected. All or nothing where the store has
 * transactions; elsewhere the session is written first and the shared values after it. In a call of
 * steps `admit` is its own.
 */
export async function changeSession(
  scopes: SessionScopes,
  change: Change,
  admit: Admit = atOnce,
): Promise<boolean> {
  const { session, user, app, runtime } = scopes;
  const shared = [
    { scope: user, writes: change.user },
    { scope: app, writes: change.app },
  ].filter(({ writes }) => Object.keys(writes.values).length > 0);
  let accepted = false;
  const next = (record: SessionRecord): SessionRecord | undefined => {
    const changed = change.session(record);
    accepted = changed !== undefined;
    return changed;
  };
  if (shared.length > 0 && canTransact(session)) {
    const together = [session, ...shared.map(({ scope }) => scope)];
    await admit(() =>
      runtime.transaction(together, (first, ...drafts) => {
        // The drafts belong to these scopes, whose states have these types.
        const changed = next(originalOf(first) as SessionRecord);
        if (changed === undefined) return;
        Object.assign(first, changed);
        for (const [at, { writes }] of shared.entries()) {
          const draft = drafts[at];
          if (draft !== undefined)
            Object.assign(draft, merged(originalOf(draft) as SharedRecord, writes));
        }
      }),
    );
    return accepted;
  }
  await changeRecord(session, next, admit);
  if (!accepted) return false;
  await Promise.all(
    shared.map(({ scope, writes }) =>
      changeRecord(scope, (record) => merged(record, writes), admit),
    ),
  );
  return true;
}

function canTransact(scope: unknown): boolean {
  return residentOf(scope)?.kind.store.supports.transactions === true;
}
