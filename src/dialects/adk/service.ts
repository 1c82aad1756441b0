/**
 * Sessions, their events and their state on a runtime. Every session service of this entry point is
 * this class with other defaults.
 *
 * Invariants
 *  M1  Stored data shares nothing with arguments or results.
 *  M2  A session is created once: of several concurrent creations of one id, one succeeds.
 */
import { randomUUID } from "node:crypto";
import type { Logger } from "../../../actors/protocol.ts";
import { consoleLogger, oneOf, optionNames, refuseUnknown } from "../../../actors/scope/options.ts";
import { quietLogger } from "../../../actors/scope/safe-call.ts";
import { asCall, asSteps, type Admit } from "../../runtime/calls.ts";
import { createRuntime, type Runtime } from "../../runtime/runtime.ts";
import { Appends, type ConflictPolicy, type Profile } from "./append.ts";
import { checkEvent, type Event } from "./event.ts";
import { createHandle } from "./handle.ts";
import { deletePages, readEvents } from "./history.ts";
import { listSessions } from "./listing.ts";
import {
  changeSession,
  declareKinds,
  openSessionScopes,
  refreshSessionScopes,
} from "./session-scopes.ts";
import { splitDelta, type SessionRecord } from "./record.ts";
import {
  checkConfig,
  checkKey,
  checkRequest,
  checkState,
  isWholeKey,
  type AppendEventRequest,
  type CreateSessionRequest,
  type GetSessionRequest,
  type ListSessionsRequest,
  type ListSessionsResponse,
  type Session,
  type SessionKey,
} from "./request.ts";
import { rewindSession, type RewindSessionRequest } from "./rewind.ts";
import { selectEvents } from "./selection.ts";
import { pageMissing, SessionError, sessionExists } from "./session-error.ts";
import { State } from "./state.ts";

/** How often a session is looked up while other callers delete and create it. */
const LOOKS_MAX = 5;

/** Options of a session service. */
export interface SessionServiceOptions {
  /** Default: an in-memory runtime of its own, which `close` closes. */
  readonly runtime?: Runtime | undefined;
  /** Default `memory`. */
  readonly profile?: Profile | undefined;
  /** Default `rebase`. */
  readonly conflict?: ConflictPolicy | undefined;
  /** Default: warnings go to `console`. */
  readonly logger?: Logger | undefined;
}

const OPTIONS = optionNames<SessionServiceOptions>({
  runtime: true,
  profile: true,
  conflict: true,
  logger: true,
});

/** Sessions on a runtime; see the top of this file. */
export class SessionService implements AsyncDisposable {
  readonly runtime: Runtime;
  readonly profile: Profile;
  readonly conflict: ConflictPolicy;
  readonly #appends: Appends;
  readonly #isOwner: boolean;

  /**
   * Throws `RangeError` for an unknown profile or conflict policy, `TypeError` for an unknown
   * option.
   */
  constructor(options: SessionServiceOptions = {}) {
    refuseUnknown("SessionService", options, OPTIONS);
    const { runtime, profile = "memory", conflict = "rebase" } = options;
    const logger = quietLogger(options.logger ?? consoleLogger);
    oneOf("profile", profile, ["memory", "database"]);
    oneOf("conflict", conflict, ["rebase", "strict"]);
    this.runtime = runtime ?? createRuntime({ logger });
    this.#isOwner = runtime === undefined;
    this.profile = profile;
    this.conflict = conflict;
    declareKinds(this.runtime);
    this.#appends = new Appends({ runtime: this.runtime, profile, conflict, logger });
  }

  /**
   * Creates a session. Rejects with `SessionError` `SESSION_EXISTS` when the id exists, with
   * `StateTypeError` for a bad request, with `StateSerializationError` for a value that cannot be
   * stored.
   */
  createSession(request: CreateSessionRequest): Promise<Session> {
    return asSteps(this.runtime, (admit) => this.#create(request, admit));
  }

  async #create(request: CreateSessionRequest, admit: Admit): Promise<Session> {
    checkKey(request);
    const { appName, userId } = request;
    const given = request.state ?? {};
    const state = given instanceof State ? given.getAll() : given;
    checkState(state);
    const sessionId = request.sessionId || randomUUID(); // An empty id means a new one.
    const { session, user, app } = splitDelta({ values: state, stamps: {} });
    const { values } = session;
    const scopes = await openSessionScopes(this.runtime, { appName, userId, sessionId });
    const uid = randomUUID();
    const updated = Date.now();
    const create = (record: SessionRecord): SessionRecord | undefined =>
      record.uid === ""
        ? { ...record, uid, updated, values, initial: values, revision: 1 }
        : undefined;
    if (!(await changeSession(scopes, { session: create, user, app }, admit)))
      throw sessionExists(sessionId);
    const record = scopes.session.state;
    // Another call may have appended to it already; a session that is new has no events to read.
    const events = record.next === 0 ? [] : await admit(() => readEvents(scopes, record, 0));
    return createHandle(scopes, record, events ?? []);
  }

  /**
   * The session with its events, or `undefined`, also when a part of its key is absent. Rejects
   * with `RangeError` or `TypeError` for a bad config, with `CorruptStateError` when events of an
   * existing session are missing in the store.
   */
  getSession(request: GetSessionRequest): Promise<Session | undefined> {
    return asCall(this.runtime, () => this.#get(request));
  }

  async #get(request: GetSessionRequest): Promise<Session | undefined> {
    const isWhole = isWholeKey(request);
    const config = request.config ?? {};
    checkConfig(config);
    const latest = this.profile === "database";
    if (!isWhole) return undefined;
    const scopes = await openSessionScopes(this.runtime, request);
    for (let look = 1; look <= LOOKS_MAX; look += 1) {
      await refreshSessionScopes(scopes);
      const record = scopes.session.state;
      if (record.uid === "") return undefined;
      const events = await selectEvents(scopes, record, { config, latest });
      if (events !== undefined) return createHandle(scopes, record, events);
      // A page is missing; so is the session when it was deleted while its pages were read.
    }
    throw pageMissing(request.sessionId);
  }

  /**
   * The session, created when it does not exist; all concurrent calls get the same one. Rejects as
   * `getSession` and `createSession` do. Rejects with `SESSION_EXISTS` only when other callers keep
   * deleting and creating the session.
   */
  getOrCreateSession(request: CreateSessionRequest): Promise<Session> {
    return asCall(this.runtime, () => this.#getOrCreate(request));
  }

  async #getOrCreate(request: CreateSessionRequest): Promise<Session> {
    checkKey(request);
    const { sessionId } = request;
    for (let look = 1; ; look += 1) {
      if (sessionId) {
        const found = await this.getSession({ ...request, sessionId });
        if (found !== undefined) return found;
      }
      try {
        return await this.createSession(request);
      } catch (error) {
        const isTaken = error instanceof SessionError && error.code === "SESSION_EXISTS";
        if (!isTaken || look === LOOKS_MAX) throw error;
      }
    }
  }

  /**
   * A page of an app's sessions, without events. The page is empty without an app, and for a user
   * with an empty id. Rejects with `RangeError` for a bad number.
   */
  listSessions(request: ListSessionsRequest): Promise<ListSessionsResponse> {
    const withState = this.profile === "database";
    return asCall(this.runtime, () => listSessions(this.runtime, request, withState));
  }

  /**
   * Removes a session and its events; values of its user and app stay. A missing one is not an
   * error.
   */
  deleteSession(request: SessionKey): Promise<void> {
    return asCall(this.runtime, async () => {
      if (!isWholeKey(request)) return;
      const scopes = await openSessionScopes(this.runtime, request);
      await scopes.session.refresh();
      const record = scopes.session.state;
      await scopes.session.delete();
      await deletePages(scopes, record);
    });
  }

  /**
   * Stores an event and its state changes, together with the unsaved changes of `session.state`;
   * resolves to the event when it is stored. A partial event stores nothing. Rejects with
   * `SessionError` `SESSION_NOT_FOUND` for a deleted session (profile `memory`: warns and
   * resolves), with `ConcurrentModificationError` for an outdated session when the policy is
   * `strict`, and with the errors of a bad event or value.
   */
  appendEvent(request: AppendEventRequest): Promise<Event>;
  appendEvent(session: Session, event: Event): Promise<Event>;
  async appendEvent(first: AppendEventRequest | Session, second?: Event): Promise<Event> {
    checkRequest(first);
    // The overloads pair the arguments.
    const { session, event } =
      second === undefined
        ? (first as AppendEventRequest)
        : { session: first as Session, event: second };
    checkEvent(event);
    if (event.partial === true) return event;
    await asCall(this.runtime, () => this.#appends.store(session, event));
    return event;
  }

  /**
   * Stores the unsaved changes of `session.state`, without an event; resolves to whether there were
   * any. Rejects as `appendEvent` does.
   */
  async commitState(session: Session): Promise<boolean> {
    if (!session.state.hasDelta()) return false;
    await asCall(this.runtime, () => this.#appends.store(session, undefined));
    return true;
  }

  /**
   * Takes a session back to before an invocation: its events from then on no longer count, and its
   * values, not those of `user:` and `app:`, are again what they were. Resolves to the event that
   * says so. Rejects with `SessionError` `INVOCATION_NOT_FOUND` or `SESSION_NOT_FOUND`, with
   * `StateTypeError` or `TypeError` for a bad request. See docs/adk.md.
   */
  rewindSession(request: RewindSessionRequest): Promise<Event> {
    return asCall(this.runtime, () => rewindSession(this.runtime, request));
  }

  /** Closes the runtime, unless it was given. */
  async close(): Promise<void> {
    if (this.#isOwner) await this.runtime.close();
  }

  /** Closes at the end of an `await using` block. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
