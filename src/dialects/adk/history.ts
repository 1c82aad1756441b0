/** A session's events: reading them by number, and moving old ones into pages. */
import { residentOf } from "../../runtime/handle.ts";
import type { StoredEvent } from "./event.ts";
import { changeRecord, openPage, type SessionScopes } from "./session-scopes.ts";
import {
  oldestPage,
  PAGE_SIZE,
  tailLength,
  withoutPage,
  type PageRecord,
  type SessionRecord,
} from "./record.ts";

/**
 * The events from number `from` on, in order. `undefined` when a page is missing: the session was
 * deleted meanwhile, or its history is damaged.
 */
export async function readEvents(
  scopes: SessionScopes,
  record: SessionRecord,
  from: number,
): Promise<StoredEvent[] | undefined> {
  const first = Math.floor(from / PAGE_SIZE);
  if (first >= record.pages) return tailEvents(record, from);
  const opened = await Promise.all(
    Array.from({ length: record.pages - first }, (_, at) =>
      openPage(scopes, record.uid, first + at),
    ),
  );
  // A page that was read before another process wrote it is read again.
  await Promise.all(opened.filter(isShort).map((page) => page.refresh()));
  if (opened.some(isShort)) return undefined;
  const pages = opened.map(({ state }) => state.events);
  return [...pages.flat().slice(from - first * PAGE_SIZE), ...tailEvents(record, from)];
}

function isShort({ state }: { readonly state: PageRecord }): boolean {
  return state.events.length < PAGE_SIZE;
}

/** The events of the tail from number `from` on. */
function tailEvents({ tail }: SessionRecord, from: number): StoredEvent[] {
  return Object.entries(tail).flatMap(([page, events]) =>
    events.slice(Math.max(0, from - Number(page) * PAGE_SIZE)),
  );
}

const sealing = new WeakMap<object, Promise<void>>();

/** Moves the oldest events into pages while the tail is long. At most one at a time per session. */
export function seal(scopes: SessionScopes): Promise<void> {
  const session = residentOf(scopes.session) ?? scopes.session; // Shared by all its handles.
  const running = sealing.get(session);
  if (running !== undefined) return running;
  if (tailLength(scopes.session.state) < 2 * PAGE_SIZE) return Promise.resolve();
  const work = sealPages(scopes).finally(() => sealing.delete(session));
  sealing.set(session, work);
  return work;
}

async function sealPages(scopes: SessionScopes): Promise<void> {
  const { session } = scopes;
  for (let record = session.state; tailLength(record) >= 2 * PAGE_SIZE; record = session.state) {
    const { uid, pages, replaced } = record;
    await writePage(scopes, record);
    await changeRecord(session, (now) => {
      const isAsRead = now.uid === uid && now.pages === pages && now.replaced === replaced;
      return isAsRead ? withoutPage(now) : undefined; // Changed since: read again.
    });
  }
}

/**
 * Written before the session record drops the events: a crash in between leaves the events in both.
 */
async function writePage(scopes: SessionScopes, record: SessionRecord): Promise<void> {
  const page = await openPage(scopes, record.uid, record.pages);
  const content: PageRecord = oldestPage(record);
  await changeRecord(page, (now) => (now.replaced > content.replaced ? undefined : content));
}

/** Removes the pages of a deleted session. */
export async function deletePages(
  scopes: SessionScopes,
  { uid, pages }: SessionRecord,
): Promise<void> {
  const numbers = Array.from({ length: pages }, (_, page) => page);
  const remove = async (page: number): Promise<unknown> =>
    (await openPage(scopes, uid, page)).delete();
  await Promise.all(numbers.map(remove));
}
