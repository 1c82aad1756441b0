/** A store of one checked file per record, for one process at a time. */
import { resolve } from "node:path";
import { mkdir } from "node:fs/promises";
import { systemClock } from "../../actors/clock.ts";
import { CommitUnknownError, StoreUnavailableError } from "../../actors/errors.ts";
import type { Clock, Json } from "../../actors/protocol.ts";
import { toDiskError } from "./file-disk.ts";
import { type DirectoryLock, lockDirectory } from "./file-lock.ts";
import { type Draft, FileRecords, type Head } from "./file-records.ts";
import { createGate } from "./gate.ts";
import { createKeyQueue, mapBounded } from "./key-queue.ts";
import type { ListQuery, ScopeWrite, StateStore, StoredRecord, WriteResult } from "./store.ts";
import { createTurns } from "./turns.ts";
import {
  checkWrites,
  compareKeys,
  conflict,
  expiryOf,
  isExpired,
  stateText,
} from "./write-check.ts";

/** Options of `fileStore`. */
export interface FileStoreOptions {
  /** The directory; created, and locked for this store object while it is open. */
  readonly dir: string;
  /** Default true: an answered commit survives power loss. False: it survives only our process. */
  readonly fsync?: boolean;
  /** Decides what has expired; default the system's clock. */
  readonly clock?: Clock;
}

const READS_AT_ONCE = 16;

interface Opened {
  readonly records: FileRecords;
  readonly lock: DirectoryLock;
}

async function openStore(dir: string, fsync: boolean): Promise<Opened> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const lock = await lockDirectory(dir);
  try {
    return { records: await FileRecords.open(dir, fsync), lock };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

interface Plan {
  readonly results: WriteResult[];
  readonly drafts: readonly Draft[];
}

function draftRecord(draft: Draft): StoredRecord {
  // The text was made by JSON.stringify from a state.
  const state = draft.text === undefined ? undefined : (JSON.parse(draft.text) as Json);
  return { version: draft.version, state };
}

/** Puts drafts in place and makes them durable; all, or a throw that says what is known. */
async function putInPlace(records: FileRecords, drafts: readonly Draft[]): Promise<void> {
  if (drafts.length === 0) return;
  const settled = await records.write(drafts);
  const failure = settled.find((result) => result.status === "rejected");
  if (failure !== undefined) {
    records.forget(drafts.map((draft) => draft.key));
    const isUntouched = settled.every((result) => result.status === "rejected");
    throw isUntouched ? failure.reason : new CommitUnknownError({ cause: failure.reason });
  }
  try {
    await records.sync();
  } catch (cause) {
    throw new CommitUnknownError({ cause });
  }
}

/**
 * A store in `dir`, opened at the first use. A damaged file is moved to `dir/corrupt` and its key
 * answers `CorruptStateError` until that file is removed; all other keys go on. `list` reads every
 * document once and keeps all keys in memory from then on.
 */
export function fileStore(options: FileStoreOptions): StateStore {
  if (typeof options.dir !== "string" || options.dir === "")
    throw new TypeError("fileStore needs `dir`");
  const { fsync = true, clock = systemClock } = options;
  const dir = resolve(options.dir);
  const gate = createGate("file");
  const queue = createKeyQueue();
  const turns = createTurns(clock);
  let opening: Promise<Opened> | undefined;

  function open(): Promise<Opened> {
    opening ??= openStore(dir, fsync).catch((error: unknown) => {
      // The next call tries again: the other process may be gone by then.
      opening = undefined;
      throw error;
    });
    return opening;
  }

  /** Runs `work` on the open directory, in the library's errors. */
  async function attempt<T>(work: (records: FileRecords) => Promise<T>): Promise<T> {
    try {
      const { records } = await open();
      return await work(records);
    } catch (error) {
      throw toDiskError(error, dir);
    }
  }

  async function read(records: FileRecords, key: string): Promise<StoredRecord | undefined> {
    const document = await records.read(key);
    if (document === undefined) return undefined;
    const { version, state, expires } = document;
    return { version, state: isExpired(expires, clock.now()) ? undefined : state };
  }

  /** Decides every write before any is done: what throws here leaves nothing behind. */
  async function plan(records: FileRecords, writes: readonly ScopeWrite[]): Promise<Plan> {
    const keys = [...new Set(writes.map((write) => write.key))];
    const found = await mapBounded(keys, READS_AT_ONCE, (key) => records.head(key));
    const heads = new Map<string, Head | undefined>(keys.map((key, at) => [key, found[at]]));
    const drafts = new Map<string, Draft>();
    const results: WriteResult[] = [];
    for (const write of writes) {
      const { key, version, expectedVersion } = write;
      const draft = drafts.get(key);
      const current = draft?.version ?? heads.get(key)?.version ?? 0;
      if (current === expectedVersion && !turns.isStale(key)) {
        const expires = expiryOf(write, clock.now());
        drafts.set(key, { key, version, expires, text: stateText(write) });
        results.push({ ok: true, version });
      } else {
        results.push(conflict(draft === undefined ? await read(records, key) : draftRecord(draft)));
      }
    }
    return { results, drafts: [...drafts.values()] };
  }

  async function commit(writes: readonly ScopeWrite[], atomic: boolean): Promise<WriteResult[]> {
    checkWrites(writes);
    if (atomic && writes.length > 1)
      throw new StoreUnavailableError(
        "the file store cannot commit several records as one; use a store with transactions",
      );
    const keys = writes.map((write) => write.key);
    return attempt((records) =>
      queue.run(keys, async () => {
        const { results, drafts } = await plan(records, writes);
        await putInPlace(records, drafts);
        return results;
      }),
    );
  }

  async function* list(query: ListQuery = {}): AsyncGenerator<string, void, undefined> {
    gate.check();
    const { prefix = "", after, limit = Infinity } = query;
    const heads = await gate.run(() => attempt((records) => records.all()));
    const now = clock.now();
    const keys: string[] = [];
    for (const [key, head] of heads) {
      if (!head.living || isExpired(head.expires, now)) continue;
      if (key.startsWith(prefix) && (after === undefined || key > after)) keys.push(key);
    }
    keys.sort(compareKeys);
    for (const key of keys.slice(0, limit)) {
      gate.check();
      yield key;
    }
  }

  return {
    name: "file",
    supports: {
      durable: true,
      transactions: false,
      ttl: true,
      watch: false,
      list: true,
      exclusive: true,
    },
    load: (keys) =>
      gate.run(() =>
        attempt((records) =>
          mapBounded(keys, READS_AT_ONCE, (key) => queue.run([key], () => read(records, key))),
        ),
      ),
    commit: (writes, { atomic = false } = {}) => gate.run(() => commit(writes, atomic)),
    list,
    exclusive: (key, ttlMs, turn) => gate.run(() => turns.run(key, ttlMs, turn)),
    close: () =>
      gate.close(async () => {
        const opened = await opening?.catch(() => undefined);
        await opened?.records.close();
        await opened?.lock.release();
      }),
  };
}
