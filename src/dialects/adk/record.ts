/**
 * The stored records of sessions, and how an event changes them. Everything here is synchronous.
 *
 * A session is one record: its own values and its latest events. The values of a user and of an app
 * are a record each. Old events are moved to pages of `PAGE_SIZE`, a record each, so that an append
 * costs the same for a history of any length.
 *
 * Invariants
 *  L1  `next` is the number of the next event; numbers follow each other without a gap.
 *  L2  Events `pages × PAGE_SIZE` to `next − 1` are in `tail`, all earlier ones in pages.
 *  L3  `uid` differs for each session that ever had this id; an empty one means there is none.
 *  L4  `revision` grows with every change, `replaced` with every event that replaced another one.
 */
import { copyIn } from "../../../actors/state/copy.ts";
import { defineKind, type Kind } from "../../runtime/kinds.ts";
import type { StoredEvent } from "./event.ts";
import { StatePrefix } from "./state.ts";
import { put, type Fields } from "./fields.ts";
import { merged, noWrites, stampAt, type StampedValues, type Writes } from "./write-order.ts";

/** The number of events in a page. At twice as many, a tail drops its oldest page. */
export const PAGE_SIZE = 32;

/** Events by number: from the first one to before the second. */
export type EventRange = readonly [from: number, to: number];

/** The record of a session. */
export interface SessionRecord extends StampedValues {
  readonly uid: string;
  readonly updated: number;
  readonly revision: number;
  readonly replaced: number;
  readonly pages: number;
  readonly next: number;
  /** The pages that still grow, or wait to be moved, by number. */
  readonly tail: Readonly<Record<string, readonly StoredEvent[]>>;
  /** The values it was created with; absent: none, or an earlier release made it. */
  readonly initial?: Readonly<Fields> | undefined;
  /** Events that no longer count, ascending; the last event of each range is that of a rewind. */
  readonly rewound?: readonly EventRange[] | undefined;
}

/** The record that the sessions of a user, or of an app, share. */
export type SharedRecord = StampedValues;

/** The record of a page. */
export interface PageRecord {
  /** The session's `replaced` when the page was written. */
  readonly replaced: number;
  readonly events: readonly StoredEvent[];
}

// The tail makes these records larger than the size that normally causes a warning.
const maxStateSizeBytes = Infinity;
const noSession: SessionRecord = {
  uid: "",
  updated: 0,
  revision: 0,
  replaced: 0,
  pages: 0,
  next: 0,
  tail: {},
  values: {},
  stamps: {},
};

/**
 * The kinds declared on a runtime. A session's records sort before the shared ones, so a
 * transaction acquires the session's mailbox first and appends to one session keep their order.
 */
export const SESSION_KINDS: Readonly<Record<string, Kind>> = {
  "adk-session": defineKind<object>({ initial: noSession, maxStateSizeBytes }),
  "adk-session-page": defineKind<object>({
    initial: { replaced: -1, events: [] },
    maxStateSizeBytes,
  }),
  "adk-shared-app": defineKind<object>({ initial: { values: {}, stamps: {} } }),
  "adk-shared-user": defineKind<object>({ initial: { values: {}, stamps: {} } }),
  "adk-turn": defineKind<object>({ durability: "volatile" }),
};

/** Changes of values by scope; `undefined` deletes. */
export interface Delta {
  readonly session: Writes;
  readonly user: Writes;
  readonly app: Writes;
  readonly temp: Fields;
  /** The whole delta without `temp:` keys, under the original names. */
  readonly stored: Fields;
  /** The stamps of `stored`. */
  readonly stamps: Writes["stamps"];
}

/**
 * Sorts a delta by the prefixes of its keys, as frozen copies. `temp:` values are kept as they are.
 * Throws `StateSerializationError` for a value that cannot be stored.
 */
export function splitDelta({ values, stamps }: Writes): Delta {
  const shared = { session: noWrites(), user: noWrites(), app: noWrites() };
  const split: Delta = { ...shared, temp: {}, stored: {}, stamps };
  for (const [key, value] of Object.entries(values)) {
    if (key.startsWith(StatePrefix.TEMP_PREFIX)) {
      put(split.temp, key, value);
      continue;
    }
    const copy: unknown = copyIn(value, `stateDelta.${key}`, { depth: 3 });
    put(split.stored, key, copy);
    const [owner, name] = partOf(key);
    put(split[owner].values, name, copy);
    const stamp = stampAt(stamps, key);
    if (stamp !== undefined) put(split[owner].stamps, name, stamp);
  }
  return split;
}

function partOf(key: string): ["session" | "user" | "app", string] {
  const { USER_PREFIX, APP_PREFIX } = StatePrefix;
  if (key.startsWith(USER_PREFIX)) return ["user", key.slice(USER_PREFIX.length)];
  if (key.startsWith(APP_PREFIX)) return ["app", key.slice(APP_PREFIX.length)];
  return ["session", key];
}

/** The effect of an append on a session's record. */
export interface Append {
  readonly values: Writes;
  /** Absent: only values change. */
  readonly event?: { readonly stored: StoredEvent; readonly timestamp: number } | undefined;
}

/** The record after an append. An event whose id is in the tail replaces the event of that id. */
export function appended(record: SessionRecord, { values, event }: Append): SessionRecord {
  const next = {
    ...record,
    revision: record.revision + 1,
    ...merged(record, values),
  };
  if (event === undefined) return next;
  const { stored, timestamp } = event;
  const position = positionOf(record, stored.id);
  const page = [...(record.tail[position.page] ?? [])];
  page[position.at] = stored;
  const tail = { ...record.tail, [position.page]: page };
  const moved = position.isNew ? { next: record.next + 1 } : { replaced: record.replaced + 1 };
  return { ...next, ...moved, tail, updated: timestamp };
}

/** The record after a rewind to before event number `from`, which counts. */
export function rewoundTo(record: SessionRecord, from: number, append: Append): SessionRecord {
  const after = appended(record, append);
  const before = (record.rewound ?? []).filter(([, to]) => to <= from);
  return { ...after, rewound: [...before, [from, after.next]] };
}

/** The position for an event of that id: that of the present one, or the end. */
function positionOf(
  { tail, next }: SessionRecord,
  id: string,
): { readonly page: number; readonly at: number; readonly isNew: boolean } {
  for (const [page, events] of Object.entries(tail)) {
    const at = events.findIndex((event) => event.id === id);
    if (at >= 0) return { page: Number(page), at, isNew: false };
  }
  return { page: Math.floor(next / PAGE_SIZE), at: next % PAGE_SIZE, isNew: true };
}

/** The number of events in the tail. */
export function tailLength({ next, pages }: SessionRecord): number {
  return next - pages * PAGE_SIZE;
}

/** The oldest page of a tail. */
export function oldestPage({ tail, pages, replaced }: SessionRecord): PageRecord {
  return { replaced, events: tail[pages] ?? [] };
}

/** The record without the oldest page of its tail. */
export function withoutPage(record: SessionRecord): SessionRecord {
  const { [record.pages]: _moved, ...tail } = record.tail;
  return { ...record, tail, pages: record.pages + 1 };
}
