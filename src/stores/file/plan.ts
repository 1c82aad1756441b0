/** Decides the writes of a batch before any is done: a throw here leaves nothing written. */
import type { Clock, Json } from "../../../actors/protocol.ts";
import type { ScopeWrite, StoredRecord, WriteResult } from "../contract.ts";
import { placeRows } from "../shared/history-rows.ts";
import { mapBounded } from "../shared/key-queue.ts";
import { forgetAt } from "../shared/tombstones.ts";
import { conflict, expiryOf, leftMs, stateText } from "../shared/writes.ts";
import type { HistoryDraft, HistoryLog } from "./histories.ts";
import type { Draft, FileRecords, Head } from "./records.ts";

/** The most heads that are read at a time. */
const READS_AT_ONCE = 16;

/** What a plan uses of its store. */
export interface PlanPort {
  readonly records: FileRecords;
  readonly clock: Clock;
  readonly tombstoneMs: number;
  /** The exclusive section that is running has lost the key. */
  readonly isStale: (key: string) => boolean;
  readonly read: (key: string) => Promise<StoredRecord | undefined>;
}

/** The results of the writes, and the documents to be written. */
export interface Plan {
  readonly results: WriteResult[];
  readonly drafts: readonly Draft[];
}

/** See the head of this file. */
export async function planWrites(writes: readonly ScopeWrite[], port: PlanPort): Promise<Plan> {
  const keys = [...new Set(writes.map((write) => write.key))];
  const found = await mapBounded(keys, READS_AT_ONCE, (key) => port.records.head(key));
  const heads = new Map<string, Head | undefined>(keys.map((key, at) => [key, found[at]]));
  const drafts = new Map<string, Draft>();
  const results: WriteResult[] = [];
  for (const write of writes) {
    const { key, version, expectedVersion } = write;
    const draft = drafts.get(key);
    const head = heads.get(key);
    const current = draft?.version ?? head?.version ?? 0;
    const now = port.clock.now();
    if (current === expectedVersion && !port.isStale(key)) {
      const expires = expiryOf(write, now);
      const text = stateText(write);
      const forgets = forgetAt(write, text === undefined, { tombstoneMs: port.tombstoneMs, now });
      const before = draft === undefined ? unchanged(head?.history) : draft.history;
      const history = text === undefined ? undefined : historyOf(write, before);
      drafts.set(key, { key, version, expires, forgets, text, history });
      results.push({ ok: true, version });
    } else {
      results.push(conflict(draft === undefined ? await port.read(key) : recordOf(draft, now)));
    }
  }
  return { results, drafts: [...drafts.values()] };
}

function unchanged(log: HistoryLog | undefined): HistoryDraft | undefined {
  return log && { log, rows: [], keep: {} };
}

/** The history after a write, after those of the batch before it. */
function historyOf(write: ScopeWrite, before: HistoryDraft | undefined): HistoryDraft | undefined {
  const { history } = write;
  if (history === undefined) return before;
  const from: Partial<HistoryDraft> = history.fresh === true ? {} : (before ?? {});
  const { log, rows = [] } = from;
  const added = placeRows(write, rows.at(-1) ?? log?.last);
  return { log, rows: [...rows, ...added], keep: history.keep };
}

function recordOf({ version, text, expires }: Draft, now: number): StoredRecord {
  if (text === undefined) return { version, state: undefined };
  // The text was made by JSON.stringify from a state.
  return { version, state: JSON.parse(text) as Json, leftMs: leftMs(expires, now) };
}
