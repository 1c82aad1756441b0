/**
 * What the service knows of a session object that it returned, and how such an object catches up
 * with the store.
 *
 * Invariants
 *  H1  After an append the handle has every key and every event that was stored before it, and the
 *      event itself, in the order of the store.
 *  H2  Keys that the caller wrote as plain properties, `temp:` keys and unsaved changes are kept.
 *  H3  Nothing in a handle is shared with the store, and the caller's own event object is in it.
 */
import { copyIn } from "../../../actors/state/copy.ts";
import { thawEvent, type Event, type StoredEvent } from "./event.ts";
import { readEvents } from "./history.ts";
import type { SessionScopes } from "./session-scopes.ts";
import type { SessionRecord } from "./record.ts";
import type { Session } from "./request.ts";
import { countingOf } from "./selection.ts";
import { cellOf, editedKeys, showStored, State, StatePrefix } from "./state.ts";
import { put, type Fields } from "./fields.ts";
import {
  joined,
  noWrites,
  seeStamps,
  stampAt,
  writesOf,
  type Stamps,
  type Writes,
} from "./write-order.ts";

/** The values a handle was last made equal to. */
interface Base {
  readonly session: Readonly<Fields>;
  readonly user: Readonly<Fields>;
  readonly app: Readonly<Fields>;
}

/** What is known of a session object. */
export interface Handle {
  readonly scopes: SessionScopes;
  readonly uid: string;
  revision: number;
  replaced: number;
  /** The number of the first event that the handle does not have. */
  next: number;
  /** The number after the last rewind that it has taken into account. */
  rewound: number;
  base: Base;
  /** Events being appended, by id: the caller's own objects go into the list. */
  readonly own: Map<string, Event>;
  /** Settles when the running work of this handle ends. */
  busy: Promise<unknown>;
}

const handles = new WeakMap<object, Handle>();

/** What is known of a session object; `undefined` when no service returned it. */
export function handleOf(session: object): Handle | undefined {
  return handles.get(session);
}

const PREFIXES = { session: "", app: StatePrefix.APP_PREFIX, user: StatePrefix.USER_PREFIX };
const PARTS = ["session", "app", "user"] as const;
const NOTHING: Base = { session: {}, user: {}, app: {} };

/** The present values; later writes get later stamps. */
function baseOf({ session, user, app }: SessionScopes): Base {
  for (const { state } of [session, user, app]) seeStamps(state.stamps);
  return {
    session: session.state.values,
    user: user.state.values,
    app: app.state.values,
  };
}

/** A session object with the present values. */
export function createHandle(
  scopes: SessionScopes,
  record: SessionRecord,
  events: readonly StoredEvent[],
): Session {
  const { appName, userId, sessionId } = scopes.key;
  const session: Session = {
    id: sessionId,
    appName,
    userId,
    state: new State(),
    events: events.map(thawEvent),
    lastUpdateTime: record.updated,
  };
  const handle: Handle = {
    scopes,
    uid: record.uid,
    revision: record.revision,
    replaced: record.replaced,
    next: record.next,
    rewound: lastRewind(record),
    base: NOTHING,
    own: new Map(),
    busy: Promise.resolve(),
  };
  handles.set(session, handle);
  // From the record the events were read with, so that version and values belong together.
  takeValues(session, handle, { ...baseOf(scopes), session: record.values });
  return session;
}

/** Makes a handle equal to the store, except for its own changes (H2). */
export async function catchUp(session: Session, handle: Handle): Promise<void> {
  const { scopes } = handle;
  const record = scopes.session.state;
  if (record.uid !== handle.uid || record.revision < handle.revision) return;
  takeValues(session, handle, baseOf(scopes));
  const from = handle.next;
  const events = countingOf(record, from, (await readEvents(scopes, record, from)) ?? []);
  const gone = await rewoundIds(handle, record);
  const isReplaced = record.replaced !== handle.replaced;
  handle.revision = record.revision;
  handle.replaced = record.replaced;
  handle.next = record.next;
  session.lastUpdateTime = record.updated;
  if (isReplaced) replaceEvents(session, handle, record);
  handle.rewound = lastRewind(record);
  if (gone.size > 0)
    session.events.splice(0, Infinity, ...session.events.filter(({ id }) => !gone.has(id)));
  for (const stored of events) session.events.push(eventOf(handle, stored));
}

function lastRewind({ rewound }: SessionRecord): number {
  return rewound?.at(-1)?.[1] ?? 0;
}

/** The ids of the events that counted when the handle last caught up, and no longer do. */
async function rewoundIds(handle: Handle, record: SessionRecord): Promise<ReadonlySet<string>> {
  const ids = new Set<string>();
  for (const [from, to] of record.rewound ?? []) {
    if (to <= handle.rewound) continue;
    const events = (await readEvents(handle.scopes, record, from)) ?? [];
    for (const { id } of events.slice(0, to - from)) ids.add(id);
  }
  return ids;
}

function eventOf({ own }: Handle, stored: StoredEvent): Event {
  return own.get(stored.id) ?? thawEvent(stored);
}

/** Only events in the tail are ever replaced. */
function replaceEvents(session: Session, handle: Handle, { tail }: SessionRecord): void {
  for (const stored of Object.values(tail).flat()) {
    const at = session.events.findLastIndex(({ id }) => id === stored.id);
    if (at >= 0) session.events[at] = eventOf(handle, stored);
  }
}

function takeValues(session: Session, handle: Handle, now: Base): void {
  for (const part of PARTS) {
    if (handle.base[part] === now[part]) continue;
    const [old, next] = [handle.base[part], now[part]];
    for (const key of Object.keys(old))
      if (!Object.hasOwn(next, key)) setValue(session.state, PREFIXES[part] + key, undefined);
    for (const [key, value] of Object.entries(next))
      if (!Object.hasOwn(old, key) || old[key] !== value)
        setValue(session.state, PREFIXES[part] + key, value);
  }
  handle.base = now;
}

function setValue(state: State, key: string, value: unknown): void {
  const cell = cellOf(state);
  if (cell !== undefined) showStored(cell, key, value);
}

/**
 * Takes the unsaved changes out of a state; `putBack` returns those that were not stored. Throws
 * `StateSerializationError`, with nothing taken, for a change in place that cannot be stored.
 */
export function takePending(state: object): { writes: Writes; putBack: () => void } {
  const cell = cellOf(state);
  if (cell === undefined) return { writes: noWrites(), putBack: () => undefined };
  const { delta, origins, value: values } = cell;
  const edits = editedKeys(cell).map((key) => {
    const taken: unknown = copyIn(values[key], `state.${key}`);
    return { key, taken, origin: origins.get(key) };
  });
  for (const { key, taken } of edits) origins.set(key, taken);
  const { values: given, stamps } = writesOf(delta);
  const set = { values: { ...given }, stamps };
  for (const key of Object.keys(delta)) delete delta[key];
  const putBack = (): void => {
    for (const [key, value] of Object.entries(set.values))
      if (!Object.hasOwn(delta, key)) put(delta, key, value); // Its stamp still exists.
    for (const { key, taken, origin } of edits)
      if (origins.get(key) === taken) origins.set(key, origin);
  };
  const edited = {};
  for (const { key, taken } of edits) put(edited, key, taken);
  return { writes: joined(set, { values: edited, stamps: {} }), putBack };
}

/** Writes `temp:` values, which exist in the working copy only. */
export function setTemporary(state: object, values: Readonly<Fields>): void {
  const target = cellOf(state)?.value ?? state;
  for (const [key, value] of Object.entries(values)) {
    if (value === undefined) delete (target as Fields)[key];
    else put(target, key, value);
  }
}

/**
 * A committed key is no longer the caller's own: the stored value counts. A later write of the
 * caller is kept.
 */
export function releaseDirect(state: object, keys: readonly string[], stamps: Stamps): void {
  const direct = cellOf(state)?.direct;
  for (const key of keys) {
    const stored = stampAt(stamps, key) ?? Infinity;
    if ((direct?.get(key) ?? 0) <= stored) direct?.delete(key);
  }
}

/** Applies an append to a session object that no service made, as to one of a service. */
export function patchForeign(session: Session, values: Readonly<Fields>, event?: Event): void {
  setTemporary(session.state, values);
  if (event === undefined) return;
  session.events.push(event);
  session.lastUpdateTime = event.timestamp;
}
