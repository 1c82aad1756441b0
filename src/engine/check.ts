/**
 * Compares the store with the input, scope by scope.
 *
 * The expected side is counted from the input alone, with plain maps; the stored side is read back
 * by a new runtime. A scope's version counts its changes, so a change that was made twice shows
 * even where the state looks right.
 */
import type { Runtime } from "../index.ts";
import {
  HISTORY_MAX,
  requestId,
  type RequestState,
  type SessionState,
  type TotalState,
} from "./conversation.ts";
import type { Slots } from "./field.ts";
import type { Message } from "./message.ts";
import { understand } from "./talk.ts";

/** One line of the check. */
export interface CheckRow {
  readonly label: string;
  readonly expected: number;
  readonly stored: number;
  /** Scopes in which the two differ. */
  readonly differing: readonly string[];
}

/** Named counts of one scope. */
type Counts = Readonly<Record<string, number>>;

interface Entry {
  readonly counts: Counts;
  /** The slots with their values, which must be equal too. */
  readonly slots?: Slots;
}

/** Entries by id, for each type of scope. */
type Ledger = ReadonlyMap<string, ReadonlyMap<string, Entry>>;

/** Changes of a request: understood, decided, replied. */
const REQUEST_CHANGES = 3;
/** Changes of a session for each message: counted, replied. */
const SESSION_CHANGES = 2;
/** Scopes read back at a time. */
const PAGE_SIZE = 500;

/** Reads everything back and compares. */
export async function check(runtime: Runtime, messages: readonly Message[]): Promise<CheckRow[]> {
  const expected = expectedOf(messages);
  const rows: CheckRow[] = [];
  for (const [type, entries] of expected) {
    const stored = await readAll(runtime, type);
    rows.push(...compare(type, entries, stored));
  }
  return rows;
}

/** What the store must contain when every message has one reply. */
function expectedOf(messages: readonly Message[]): Ledger {
  const requests = new Map<string, Entry>();
  const runs = new Map<string, Entry>();
  const sessions = new Map<string, Entry>();
  const users = new Map<string, Entry>();
  const orgs = new Map<string, Entry>();
  for (const message of messages) {
    const { slots } = understand(message.text, message.slots);
    const slotCount = Object.keys(slots).length;
    const id = requestId(message);
    requests.set(id, { counts: { answers: 1, slots: slotCount, changes: REQUEST_CHANGES } });
    runs.set(id, { counts: { completed: 1 } });
    const isNew = !sessions.has(message.session);
    addToSession(sessions, message.session, slots);
    addToTotal(users, message.user, { slotCount, isNew });
    if (message.org !== undefined) addToTotal(orgs, message.org, { slotCount, isNew });
  }
  return new Map([
    ["request", requests],
    ["session", sessions],
    ["user", users],
    ["org", orgs],
    ["sequencer", runs],
  ]);
}

function addToSession(sessions: Map<string, Entry>, id: string, slots: Slots): void {
  const known = sessions.get(id);
  const messages = (known?.counts["messages"] ?? 0) + 1;
  const counts = {
    messages,
    slots: (known?.counts["slots"] ?? 0) + Object.keys(slots).length,
    exchanges: Math.min(HISTORY_MAX, messages),
    changes: SESSION_CHANGES * messages,
  };
  sessions.set(id, { counts, slots: { ...known?.slots, ...slots } });
}

/** A user or an organisation changes once for each message and once for the end of each session. */
function addToTotal(
  totals: Map<string, Entry>,
  id: string,
  { slotCount, isNew }: { slotCount: number; isNew: boolean },
): void {
  const known = totals.get(id)?.counts;
  const counts = {
    messages: (known?.["messages"] ?? 0) + 1,
    slots: (known?.["slots"] ?? 0) + slotCount,
    changes: (known?.["changes"] ?? 0) + 1 + (isNew ? 1 : 0),
  };
  totals.set(id, { counts });
}

async function readAll(runtime: Runtime, type: string): Promise<Map<string, Entry>> {
  const found = new Map<string, Entry>();
  let cursor: string | undefined;
  do {
    const from = cursor === undefined ? {} : { cursor };
    const page = await runtime.list({ type, limit: PAGE_SIZE, ...from });
    const entries = await Promise.all(page.ids.map((id) => readOne(runtime, type, id)));
    page.ids.forEach((id, index) => {
      const entry = entries[index];
      if (entry !== undefined) found.set(id, entry);
    });
    cursor = page.cursor;
  } while (cursor !== undefined);
  return found;
}

async function readOne(runtime: Runtime, type: string, id: string): Promise<Entry> {
  if (type === "sequencer") {
    const [latest] = await runtime.checkpoints(id);
    return { counts: { completed: latest?.status === "completed" ? 1 : 0 } };
  }
  if (type === "request") {
    const { state, version } = await runtime.open<RequestState>(type, id);
    const answers = state.reply === undefined ? 0 : 1;
    return { counts: { answers, slots: state.slotCount ?? 0, changes: version } };
  }
  if (type === "session") {
    const { state, version } = await runtime.open<SessionState>(type, id);
    const { messages, slotCount, history, slots } = state;
    const counts = { messages, slots: slotCount, exchanges: history.length, changes: version };
    return { counts, slots };
  }
  const { state, version } = await runtime.open<TotalState>(type, id);
  return { counts: { messages: state.messages, slots: state.slotCount, changes: version } };
}

function compare(
  type: string,
  expected: ReadonlyMap<string, Entry>,
  stored: ReadonlyMap<string, Entry>,
): CheckRow[] {
  const ids = [...new Set([...expected.keys(), ...stored.keys()])];
  const apart = ids.filter((id) => expected.has(id) !== stored.has(id));
  const missing = apart.map((id) => `${id}: ${expected.has(id) ? "missing" : "not in the input"}`);
  const scopes = { expected: expected.size, stored: stored.size, differing: missing };
  const names = new Set([...expected.values()].flatMap(({ counts }) => Object.keys(counts)));
  const rows = [...names].map((name): CheckRow => {
    const count = (entries: ReadonlyMap<string, Entry>, id: string): number =>
      entries.get(id)?.counts[name] ?? 0;
    const sum = (entries: ReadonlyMap<string, Entry>): number =>
      ids.reduce((total, id) => total + count(entries, id), 0);
    const differing = ids.filter((id) => count(expected, id) !== count(stored, id));
    return {
      label: `${type} ${name}`,
      expected: sum(expected),
      stored: sum(stored),
      differing: differing.map(
        (id) => `${id}: expected ${count(expected, id)}, stored ${count(stored, id)}`,
      ),
    };
  });
  const values = type === "session" ? [compareSlots(ids, expected, stored)] : [];
  return [{ label: `${type} scopes`, ...scopes }, ...rows, ...values];
}

/** How many slots the sessions have, and whether each has its latest value. */
function compareSlots(
  ids: readonly string[],
  expected: ReadonlyMap<string, Entry>,
  stored: ReadonlyMap<string, Entry>,
): CheckRow {
  const size = (entries: ReadonlyMap<string, Entry>): number =>
    ids.reduce((total, id) => total + slotsOf(entries, id).length, 0);
  const text = (entries: ReadonlyMap<string, Entry>, id: string): string =>
    JSON.stringify(slotsOf(entries, id));
  return {
    label: "session slot values",
    expected: size(expected),
    stored: size(stored),
    differing: ids
      .filter((id) => text(expected, id) !== text(stored, id))
      .map((id) => `${id}: the latest values differ`),
  };
}

function slotsOf(entries: ReadonlyMap<string, Entry>, id: string): [string, unknown][] {
  const slots = Object.entries(entries.get(id)?.slots ?? {});
  return slots.toSorted(([left], [right]) => (left < right ? -1 : 1));
}
