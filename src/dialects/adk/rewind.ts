/**
 * Takes sessions back to before an invocation, by an event of its own: nothing is removed.
 *
 * Invariants
 *  B1  The event, the values and what no longer counts are one change, made on the events that were
 *      read, or not at all.
 *  B2  Only values that events from the invocation on have changed are changed, each to what it was
 *      before: what an earlier event wrote last, else what the session was created with.
 */
import { randomUUID } from "node:crypto";
import { optionNames, refuseUnknown } from "../../../actors/scope/options.ts";
import { conflictError, ownRetries, retry, type SaveStep } from "../../../actors/scope/retry.ts";
import { equal } from "../../../actors/state/equal.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import { type Artifacts, checkArtifacts, restoreArtifacts } from "./artifacts.ts";
import { Event, fieldsOf, plainEvent, type StoredEvent } from "./event.ts";
import { put, type Fields } from "./fields.ts";
import { readEvents } from "./history.ts";
import { rewoundTo, type SessionRecord, splitDelta } from "./record.ts";
import { checkKey, checkText, type SessionKey } from "./request.ts";
import { countingOf } from "./selection.ts";
import { invocationMissing, pageMissing, sessionMissing } from "./session-error.ts";
import {
  changeSession,
  openSessionScopes,
  refreshSessionScopes,
  type SessionScopes,
} from "./session-scopes.ts";
import { StatePrefix } from "./state.ts";
import { noWrites } from "./write-order.ts";

/** For a session to which events are appended meanwhile. */
const RETRIES = ownRetries({ maxRetries: 19, maxDelayMs: 50 });

/** The request to take a session back. */
export interface RewindSessionRequest extends SessionKey {
  /** The first invocation that no longer counts. */
  readonly rewindBeforeInvocationId: string;
  /** Where the artifacts of the session are; default: they stay as they are. */
  readonly artifactService?: Artifacts | undefined;
}

const KNOWN = optionNames<RewindSessionRequest>({
  appName: true,
  userId: true,
  sessionId: true,
  rewindBeforeInvocationId: true,
  artifactService: true,
});

/** See `SessionService.rewindSession`. */
export async function rewindSession(
  runtime: Runtime,
  request: RewindSessionRequest,
): Promise<Event> {
  checkKey(request);
  refuseUnknown("rewindSession", request, KNOWN);
  const { sessionId, rewindBeforeInvocationId: invocationId, artifactService } = request;
  checkText("sessionId", sessionId, 1);
  checkText("rewindBeforeInvocationId", invocationId, 1);
  checkArtifacts(artifactService);
  const scopes = await openSessionScopes(runtime, request);
  const restored = new Map<string, number>();
  let event: Event | undefined;
  const attempt = async (): Promise<SaveStep> => {
    event = await tryRewind(scopes, request, restored);
    return event === undefined ? "conflict" : "saved";
  };
  await retry({ ...RETRIES, attempt });
  if (event !== undefined) return event;
  const { identity, version } = scopes.session;
  throw conflictError(RETRIES.cas, { expectedVersion: version, actualVersion: version }, identity);
}

/** One attempt, on what the store has; `undefined` when events were appended meanwhile. */
async function tryRewind(
  scopes: SessionScopes,
  request: RewindSessionRequest,
  restored: Map<string, number>,
): Promise<Event | undefined> {
  const { sessionId, rewindBeforeInvocationId: invocationId, artifactService } = request;
  await refreshSessionScopes(scopes);
  const record = scopes.session.state;
  if (record.uid === "") throw sessionMissing(sessionId);
  const events = await readEvents(scopes, record, 0);
  if (events === undefined) {
    await refreshSessionScopes(scopes);
    if (scopes.session.state.uid === record.uid) throw pageMissing(sessionId);
    return undefined;
  }
  const from = firstOf(record, events, invocationId);
  if (from === -1) throw invocationMissing(sessionId, invocationId);
  const lists = [events.slice(0, from), events] as const;
  const artifactDelta = await restoreArtifacts(artifactService, request, lists, restored);
  const stateDelta = deltaTo(record, events, from);
  const event = eventOf({ rewindBeforeInvocationId: invocationId, stateDelta, artifactDelta });
  const { session: values, stored } = splitDelta({ values: stateDelta, stamps: {} });
  const append = {
    values,
    event: { stored: plainEvent(event, event.id, stored), timestamp: event.timestamp },
  };
  const session = (now: SessionRecord): SessionRecord | undefined =>
    now.uid === record.uid && now.revision === record.revision
      ? rewoundTo(now, from, append)
      : undefined;
  const isSaved = await changeSession(scopes, { session, user: noWrites(), app: noWrites() });
  return isSaved ? event : undefined;
}

/** The number of the first event that counts and is of the invocation; -1: there is none. */
function firstOf(
  record: SessionRecord,
  events: readonly StoredEvent[],
  invocationId: string,
): number {
  const found = countingOf(record, 0, events).find(
    (event) => fieldsOf(event)["invocationId"] === invocationId,
  );
  return found === undefined ? -1 : events.indexOf(found);
}

function eventOf(actions: {
  readonly rewindBeforeInvocationId: string;
  readonly stateDelta: Fields;
  readonly artifactDelta: Record<string, number>;
}): Event {
  return new Event({ invocationId: `e-${randomUUID()}`, author: "user", actions });
}

/** The changes that lead from the present values to those before event number `from` (B2). */
function deltaTo(record: SessionRecord, events: readonly StoredEvent[], from: number): Fields {
  const before = new Map(Object.entries(record.initial ?? {}));
  const delta: Fields = {};
  for (const [number, event] of events.entries())
    for (const [key, value] of ownValues(event)) {
      if (number >= from) {
        if (!equal(record.values[key], before.get(key))) put(delta, key, before.get(key));
      } else if (value === undefined) before.delete(key);
      else before.set(key, value);
    }
  return delta;
}

const SHARED = [StatePrefix.APP_PREFIX, StatePrefix.USER_PREFIX];

/** The values of the session that an event has changed. */
function ownValues(event: StoredEvent): [string, unknown][] {
  const { stateDelta } = Object(fieldsOf(event)["actions"]) as Fields; // Any fields, or none.
  return Object.entries(Object(stateDelta)).filter(
    ([key]) => !SHARED.some((prefix) => key.startsWith(prefix)),
  );
}
