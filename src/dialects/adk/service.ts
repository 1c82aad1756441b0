/**
 * Sessions, their events and their state on a runtime; every session service of this door is this
 * one with other defaults.
 *
 * Invariants
 *  M1  An append is one change: the event, its values and its number are stored together, or not.
 *  M2  What is stored shares nothing with what was handed in or is handed out.
 *  M3  Nothing is written for a session that is gone, also when it was created anew since.
 */
import { randomUUID } from "node:crypto";
import { ConcurrentModificationError } from "../../../actors/errors.ts";
import type { Logger } from "../../../actors/protocol.ts";
import { consoleLogger } from "../../../actors/settings.ts";
import { createRuntime, type Runtime } from "../../runtime/runtime.ts";
import { plainEvent, readEvent, type Event, type StoredEvent } from "./event.ts";
import {
  catchUp,
  createHandle,
  handleOf,
  patchForeign,
  releaseDirect,
  setTemporary,
  takePending,
  type Handle,
} from "./handle.ts";
import { deletePages, readEvents, seal } from "./history.ts";
import { listSessions } from "./listing.ts";
import { changePlaces, declareKinds, openPlaces, refreshPlaces, type Places } from "./places.ts";
import { appended, splitDelta, type Delta, type SessionRecord } from "./record.ts";
import {
  checkCount,
  checkKey,
  checkState,
  checkTime,
  type AppendEventRequest,
  type CreateSessionRequest,
  type GetSessionConfig,
  type GetSessionRequest,
  type ListSessionsRequest,
  type ListSessionsResponse,
  type Session,
  type SessionKey,
} from "./request.ts";
import { sessionExists, sessionNotFound } from "./session-error.ts";
import type { Fields } from "./thaw.ts";

/** Whose habits a service has where the two originals differ. */
export type Profile = "memory" | "database";
/** What an append with an outdated session object does: joins in, or fails. */
export type ConflictPolicy = "rebase" | "strict";

/** Options of a session service. */
export interface SessionServiceOptions {
  /** Default: one in memory of its own, which `close` closes. */
  readonly runtime?: Runtime | undefined;
  /** Default `memory`. */
  readonly profile?: Profile | undefined;
  /** Default `rebase`. */
  readonly conflict?: ConflictPolicy | undefined;
  /** Default: warnings go to `console`. */
  readonly logger?: Logger | undefined;
}

/** One append on its way. */
interface Append {
  readonly delta: Delta;
  readonly event: { readonly stored: StoredEvent; readonly timestamp: number } | undefined;
}

/** Sessions on a runtime; see the head of this file. */
export class SessionService implements AsyncDisposable {
  readonly runtime: Runtime;
  readonly profile: Profile;
  readonly conflict: ConflictPolicy;
  readonly #logger: Logger;
  readonly #isOwner: boolean;

  /** Throws `RangeError` for an unknown profile or conflict policy. */
  constructor(options: SessionServiceOptions = {}) {
    const { runtime, profile = "memory", conflict = "rebase", logger = consoleLogger } = options;
    oneOf("profile", profile, ["memory", "database"]);
    oneOf("conflict", conflict, ["rebase", "strict"]);
    this.runtime = runtime ?? createRuntime({ logger });
    this.#isOwner = runtime === undefined;
    this.profile = profile;
    this.conflict = conflict;
    this.#logger = logger;
    declareKinds(this.runtime);
  }

  /**
   * Makes a session. Rejects with `SessionError` `SESSION_EXISTS` when the id is taken, with
   * `StateTypeError` for a bad request, with `StateSerializationError` for a value that cannot be
   * stored.
   */
  async createSession(request: CreateSessionRequest): Promise<Session> {
    checkKey(request);
    checkState(request.state);
    const { appName, userId, state = {} } = request;
    const sessionId = request.sessionId || randomUUID(); // An empty id asks for a new one.
    const { session: values, user, app } = splitDelta(state);
    const places = await openPlaces(this.runtime, { appName, userId, sessionId });
    const uid = randomUUID();
    const updated = Date.now();
    const create = (record: SessionRecord): SessionRecord | undefined =>
      record.uid === "" ? { ...record, uid, updated, values, revision: 1 } : undefined;
    if (!(await changePlaces(places, { session: create, user, app })))
      throw sessionExists(sessionId);
    const record = places.session.state;
    return createHandle(places, record, (await readEvents(places, record, 0)) ?? []);
  }

  /** The session with its events, or `undefined`. Rejects with `RangeError` for a bad config. */
  async getSession(request: GetSessionRequest): Promise<Session | undefined> {
    checkKey(request);
    const { config = {} } = request;
    checkCount("numRecentEvents", config.numRecentEvents);
    checkTime("afterTimestamp", config.afterTimestamp);
    if (request.sessionId === "") return undefined;
    const places = await openPlaces(this.runtime, request);
    await refreshPlaces(places);
    const record = places.session.state;
    if (record.uid === "") return undefined;
    const events = await this.#selected(places, record, config);
    // A page was gone: the session was deleted while its pages were read.
    return events === undefined ? undefined : createHandle(places, record, events);
  }

  /** The session, made when there is none; of many who ask at once all get the same one. */
  async getOrCreateSession(request: CreateSessionRequest): Promise<Session> {
    const { sessionId } = request;
    for (;;) {
      if (sessionId) {
        const found = await this.getSession({ ...request, sessionId });
        if (found !== undefined) return found;
      }
      try {
        return await this.createSession(request);
      } catch (error) {
        if (!(error instanceof Error && "code" in error && error.code === "SESSION_EXISTS"))
          throw error;
      }
    }
  }

  /** A page of an app's sessions, without events. Rejects with `RangeError` for a bad number. */
  listSessions(request: ListSessionsRequest): Promise<ListSessionsResponse> {
    return listSessions(this.runtime, request, this.profile === "database");
  }

  /** Removes a session and its events; values of its user and app stay. A missing one is fine. */
  async deleteSession(request: SessionKey): Promise<void> {
    checkKey(request);
    const places = await openPlaces(this.runtime, request);
    await places.session.refresh();
    const record = places.session.state;
    await places.session.delete();
    await deletePages(places, record);
  }

  /**
   * Stores an event and its state changes, with what was set on `session.state` since; resolves to
   * the event when it is stored. A partial event stores nothing. Rejects with `SessionError`
   * `SESSION_NOT_FOUND` for a session that is gone (profile `memory`: warns and resolves), with
   * `ConcurrentModificationError` for an outdated session when the policy is `strict`, and with
   * what a bad event or value deserves.
   */
  appendEvent(request: AppendEventRequest): Promise<Event>;
  appendEvent(session: Session, event: Event): Promise<Event>;
  async appendEvent(first: AppendEventRequest | Session, second?: Event): Promise<Event> {
    // The overloads pair them up.
    const { session, event } =
      second === undefined
        ? (first as AppendEventRequest)
        : { session: first as Session, event: second };
    const { partial } = readEvent(event);
    if (partial === true) return event;
    await this.#store(session, event);
    return event;
  }

  /**
   * Stores what was set on `session.state` since, without an event; resolves to whether there was
   * anything. Rejects as `appendEvent` does.
   */
  async commitState(session: Session): Promise<boolean> {
    if (!session.state.hasDelta()) return false;
    await this.#store(session, undefined);
    return true;
  }

  /** Closes the runtime, unless it was given. */
  async close(): Promise<void> {
    if (this.#isOwner) await this.runtime.close();
  }

  /** Closes at the end of an `await using` block. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #selected(
    places: Places,
    record: SessionRecord,
    { numRecentEvents, afterTimestamp }: GetSessionConfig,
  ): Promise<StoredEvent[] | undefined> {
    if (afterTimestamp === undefined) {
      const first = numRecentEvents === undefined ? 0 : record.next - numRecentEvents;
      return readEvents(places, record, Math.max(0, first));
    }
    const all = await readEvents(places, record, 0);
    if (all === undefined) return undefined;
    const after = this.#after(all, afterTimestamp);
    return numRecentEvents === undefined
      ? after
      : after.slice(Math.max(0, after.length - numRecentEvents));
  }

  /** Memory: what follows the last older event. Database: whatever is newer. */
  #after(events: StoredEvent[], time: number): StoredEvent[] {
    const timeOf = (event: StoredEvent): number => Number(event["timestamp"]);
    if (this.profile === "database") return events.filter((event) => timeOf(event) > time);
    return events.slice(events.findLastIndex((event) => timeOf(event) < time) + 1);
  }

  async #store(session: Session, event: Event | undefined): Promise<void> {
    checkKey({ appName: session.appName, userId: session.userId, sessionId: session.id });
    const known = handleOf(session);
    const handle = known?.places.runtime === this.runtime ? known : undefined;
    if (handle === undefined || this.conflict === "rebase")
      return this.#append(session, event, handle);
    // One after the other, so that a handle's own appends do not make it outdated.
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
    try {
      const given = event?.actions?.stateDelta ?? {};
      const delta = splitDelta({ ...pending.delta, ...given });
      const append = { delta, event: event && storedForm(event, delta) };
      if (event !== undefined) handle?.own.set(event.id, event);
      const places = handle?.places ?? (await this.#foreignPlaces(session));
      const isStored = await changePlaces(places, this.#change(places, append, handle));
      if (!isStored) return this.#refused(session, event, delta);
      this.#confirm(session, event, delta);
      if (handle === undefined) patchForeign(session, delta.stored, event);
      else await this.#catchUp(session, handle);
      await seal(places).catch((error: unknown) => this.#warn("pages were not written", error));
    } catch (error) {
      pending.putBack();
      throw error;
    } finally {
      if (event !== undefined) handle?.own.delete(event.id);
    }
  }

  #change(
    places: Places,
    { delta, event }: Append,
    handle: Handle | undefined,
  ): Parameters<typeof changePlaces>[1] {
    const uid = handle?.uid ?? places.session.state.uid;
    const session = (record: SessionRecord): SessionRecord | undefined => {
      if (record.uid !== uid || uid === "") return undefined;
      if (this.conflict === "strict" && handle !== undefined) refuseStale(places, record, handle);
      return appended(record, { values: delta.session, event });
    };
    return { session, user: delta.user, app: delta.app };
  }

  async #foreignPlaces(session: Session): Promise<Places> {
    const { appName, userId, id: sessionId } = session;
    const places = await openPlaces(this.runtime, { appName, userId, sessionId });
    await refreshPlaces(places);
    return places;
  }

  /** The append is stored: the event and the working copy show it as it was stored. */
  #confirm(session: Session, event: Event | undefined, delta: Delta): void {
    if (event !== undefined) event.actions.stateDelta = { ...delta.stored };
    releaseDirect(session.state, Object.keys(delta.stored));
    setTemporary(session.state, delta.temp);
  }

  /** Stored is stored: a handle that cannot catch up now does so with its next append. */
  async #catchUp(session: Session, handle: Handle): Promise<void> {
    const work = handle.busy.then(() => catchUp(session, handle));
    if (this.conflict === "rebase") handle.busy = work.catch(() => undefined);
    await (this.conflict === "strict" ? catchUp(session, handle) : work).catch((error: unknown) =>
      this.#warn("a session object could not catch up", error),
    );
  }

  #refused(session: Session, event: Event | undefined, delta: Delta): void {
    if (this.profile === "database") throw sessionNotFound(session.id);
    this.#logger.warn("session not found; nothing was stored", { sessionId: session.id });
    setTemporary(session.state, delta.temp);
    patchForeign(session, delta.stored, event);
  }

  #warn(message: string, error: unknown): void {
    this.#logger.warn(message, { error });
  }
}

function storedForm(
  event: Event,
  { stored }: Delta,
): { readonly stored: StoredEvent; readonly timestamp: number } {
  return { stored: plainEvent(event, event.id, stored as Fields), timestamp: event.timestamp };
}

function refuseStale({ session }: Places, record: SessionRecord, { revision }: Handle): void {
  if (record.revision === revision) return;
  throw new ConcurrentModificationError(
    { attempts: 1, expectedVersion: revision, actualVersion: record.revision },
    { scope: session.identity },
  );
}

function oneOf(name: string, value: string, known: readonly string[]): void {
  if (!known.includes(value))
    throw new RangeError(`${name} must be one of ${known.join(", ")}, received ${String(value)}`);
}
