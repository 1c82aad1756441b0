/**
 * Appending: moves an event and its values from a session object into the store and back.
 *
 * Invariants
 *  K1  An append is one change: the event, its values and its number are stored together, or none
 *      of them is. Values of the user and the app are part of it where the store has transactions.
 *  K2  Nothing is written for a deleted session, even when it was created again since.
 *  K3  A failed append changes neither the event nor the session object.
 */
import { ConcurrentModificationError, StateTypeError } from "../../../actors/errors.ts";
import type { Logger } from "../../../actors/protocol.ts";
import { typeName } from "../../../actors/state/copy.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import { deltaOf, plainEvent, showDelta, type Event } from "./event.ts";
import {
  catchUp,
  handleOf,
  patchForeign,
  releaseDirect,
  setTemporary,
  takePending,
  type Handle,
} from "./handle.ts";
import { seal } from "./history.ts";
import {
  changeSession,
  openSessionScopes,
  refreshSessionScopes,
  type Change,
  type SessionScopes,
} from "./session-scopes.ts";
import {
  appended,
  splitDelta,
  type Append as RecordAppend,
  type Delta,
  type SessionRecord,
} from "./record.ts";
import { isWholeKey, type Session } from "./request.ts";
import { sessionNotFound } from "./session-error.ts";
import { State } from "./state.ts";
import type { Fields } from "./fields.ts";
import { joined, outlived, writesOf } from "./write-order.ts";

/** Which original a service follows where the two differ. */
export type Profile = "memory" | "database";
/** The effect of an append with an outdated session object: it is rebased, or it fails. */
export type ConflictPolicy = "rebase" | "strict";

/** How appends are made. */
export interface AppendOptions {
  readonly runtime: Runtime;
  readonly profile: Profile;
  readonly conflict: ConflictPolicy;
  readonly logger: Logger;
}

/** One append in progress. */
interface Append {
  readonly session: Session;
  /** Absent: only values are stored. */
  readonly event: Event | undefined;
  /** Absent: no service made the session object. */
  readonly handle: Handle | undefined;
  readonly delta: Delta;
  readonly stored: RecordAppend["event"];
}

/** The appends of a service; see the top of this file. */
export class Appends {
  readonly #options: AppendOptions;

  constructor(options: AppendOptions) {
    this.#options = options;
  }

  /** Stores an event and the changes of the state; without an event the changes only. */
  async store(session: Session, event: Event | undefined): Promise<void> {
    checkSession(session);
    const known = handleOf(session);
    const handle = known?.scopes.runtime === this.#options.runtime ? known : undefined;
    if (handle === undefined || this.#options.conflict === "rebase")
      return this.#append(session, event, handle);
    // One after another, so that a handle's own appends do not make it outdated.
    const work = handle.busy.then(() => this.#append(session, event, handle));
    handle.busy = work.catch(() => undefined);
    return work;
  }

  async #append(
    session: Session,
    event: Event | undefined,
    handle: Handle | undefined,
  ): Promise<void> {
    const pending = takePending(session.state);
    const known = event === undefined ? undefined : handle?.own.set(event.id, event);
    try {
      const delta = splitDelta(joined(pending.writes, writesOf((event && deltaOf(event)) ?? {})));
      const stored = event && storedForm(event, delta);
      await this.#run({ session, event, handle, delta, stored });
    } catch (error) {
      pending.putBack();
      throw error;
    } finally {
      if (event !== undefined) known?.delete(event.id);
    }
  }

  async #run(append: Append): Promise<void> {
    const { session, event, handle, delta } = append;
    const scopes = handle?.scopes ?? (await this.#foreignScopes(session));
    if (scopes === undefined || !(await changeSession(scopes, this.#change(scopes, append))))
      return this.#refused(append);
    confirm(append);
    if (handle === undefined) patchForeign(session, applied(delta, scopes), event);
    else await this.#catchUp(session, handle);
    await seal(scopes).catch((error: unknown) => this.#warn("pages were not written", error));
  }

  #change(scopes: SessionScopes, { delta, stored, handle }: Append): Change {
    const uid = handle?.uid ?? scopes.session.state.uid;
    const isStrict = this.#options.conflict === "strict";
    const session = (record: SessionRecord): SessionRecord | undefined => {
      if (record.uid !== uid || uid === "") return undefined;
      if (isStrict && handle !== undefined) refuseStale(scopes, record, handle);
      return appended(record, { values: delta.session, event: stored });
    };
    return { session, user: delta.user, app: delta.app };
  }

  /** `undefined` when the object names no session. */
  async #foreignScopes(session: Session): Promise<SessionScopes | undefined> {
    const { appName, userId, id: sessionId } = session;
    // An object of another service keeps the session key with which it was made, whatever its
    // fields contain now.
    const key = handleOf(session)?.scopes.key ?? { appName, userId, sessionId };
    if (!isWholeKey(key)) return undefined;
    const scopes = await openSessionScopes(this.#options.runtime, key);
    await refreshSessionScopes(scopes);
    return scopes;
  }

  /** The event is stored: a handle that cannot catch up now does so with its next append. */
  async #catchUp(session: Session, handle: Handle): Promise<void> {
    const work = handle.busy.then(() => catchUp(session, handle));
    if (this.#options.conflict === "rebase") handle.busy = work.catch(() => undefined);
    await (this.#options.conflict === "strict" ? catchUp(session, handle) : work).catch(
      (error: unknown) => this.#warn("a session object could not catch up", error),
    );
  }

  #refused({ session, event, delta }: Append): void {
    if (this.#options.profile === "database") throw sessionNotFound(session.id);
    this.#options.logger.warn("session not found; nothing was stored", { sessionId: session.id });
    setTemporary(session.state, delta.temp);
    patchForeign(session, delta.stored, event);
  }

  #warn(message: string, error: unknown): void {
    this.#options.logger.warn(message, { error });
  }
}

/** The append is stored: the event and the working copy show it as it was stored. */
function confirm({ session, event, delta }: Append): void {
  if (event !== undefined) showDelta(event, delta.stored);
  releaseDirect(session.state, Object.keys(delta.stored), delta.stamps);
  setTemporary(session.state, delta.temp);
}

/** The part of a delta that the store has now, without keys that were written later. */
function applied({ stored, ...delta }: Delta, { session, user, app }: SessionScopes): Fields {
  const values = { ...stored };
  for (const name of outlived(delta.session, session.state)) delete values[name];
  for (const name of outlived(delta.user, user.state)) delete values[State.USER_PREFIX + name];
  for (const name of outlived(delta.app, app.state)) delete values[State.APP_PREFIX + name];
  return values;
}

function checkSession(session: unknown): void {
  if (typeof session !== "object" || session === null) {
    const fields = { path: "session", expected: "a session", received: typeName(session) };
    throw new StateTypeError(fields);
  }
  const { appName, userId, id: sessionId, state, events } = session as Record<string, unknown>;
  isWholeKey({ appName, userId, sessionId }); // Checks the parts; an absent one fails later.
  if (typeof state !== "object" || state === null)
    throw new StateTypeError({
      path: "session.state",
      expected: "a state",
      received: typeName(state),
    });
  if (!Array.isArray(events))
    throw new StateTypeError({
      path: "session.events",
      expected: "a list",
      received: typeName(events),
    });
}

function storedForm(event: Event, { stored }: Delta): NonNullable<RecordAppend["event"]> {
  return { stored: plainEvent(event, event.id, stored), timestamp: event.timestamp };
}

function refuseStale(
  { session }: SessionScopes,
  record: SessionRecord,
  { revision }: Handle,
): void {
  if (record.revision === revision) return;
  throw new ConcurrentModificationError(
    { attempts: 1, expectedVersion: revision, actualVersion: record.revision },
    { scope: session.identity },
  );
}
