/**
 * A store of one checked file per record, for one process at a time.
 *
 * Exclusive sections and times to live use the clock of that process, so there is no clock skew.
 */
import { join, resolve } from "node:path";
import { systemClock } from "../../../actors/time/clock.ts";
import { StoreUnavailableError } from "../../../actors/errors.ts";
import type { Clock, ExclusiveWait } from "../../../actors/protocol.ts";
import { refuseUnknown } from "../../../actors/scope/options.ts";
import { makeDirectory, systemCode, toDiskError } from "./disk.ts";
import { type DirectoryLock, LOCK_TIMING, lockDirectory, type LockTiming } from "./lock.ts";
import { planWrites } from "./plan.ts";
import { FileRecords, pruneRecord, putInPlace } from "./records.ts";
import { createGate } from "../shared/closable.ts";
import { createKeyQueue, mapBounded } from "../shared/key-queue.ts";
import type {
  HistoryKeep,
  HistoryQuery,
  HistoryRow,
  ListQuery,
  ScopeWrite,
  StateStore,
  StoredRecord,
  StoreSupports,
  WriteResult,
} from "../contract.ts";
import { refuseUrl } from "../shared/local-path.ts";
import { SamePath } from "../shared/same-path.ts";
import { EVERY_STORE } from "../shared/supports.ts";
import { Sweeper } from "../shared/sweeper.ts";
import { tombstoneOption } from "../shared/tombstones.ts";
import { FileWalk } from "./walk.ts";
import { createTurns, type Section, type Turns } from "../shared/exclusive-lease.ts";
import { checkWrites, isExpired, leftMs, selectKeys } from "../shared/writes.ts";

/** Options of `fileStore`. */
export interface FileStoreOptions {
  /** The directory; created, and locked for this store object while it is open. */
  readonly dir: string;
  /** Default true: an acknowledged commit survives power loss. False: only a process crash. */
  readonly fsync?: boolean | undefined;
  /** The clock of expiry; default the system's clock. */
  readonly clock?: Clock | undefined;
  /** Milliseconds for which tombstones are kept when a kind sets none; default 7 days. */
  readonly tombstoneMs?: number | undefined;
}

const READS_AT_ONCE = 16;
const KNOWN = [
  "dir",
  "fsync",
  "clock",
  "tombstoneMs",
] satisfies readonly (keyof FileStoreOptions)[];

interface FileSettings {
  readonly dir: string;
  readonly fsync: boolean;
  readonly clock: Clock;
  readonly timing: LockTiming;
  readonly tombstoneMs: number;
}

interface Opened {
  readonly records: FileRecords;
  readonly lock: DirectoryLock;
  /** The directories as they were opened; their heads are in memory. */
  readonly paths: readonly SamePath[];
}

async function openStore({ dir, fsync, timing }: FileSettings): Promise<Opened> {
  await makeDirectory(dir);
  const lock = await lockDirectory(dir, timing);
  try {
    const records = await FileRecords.open(dir, lock, fsync);
    return { records, lock, paths: [new SamePath(dir), new SamePath(join(dir, "records"))] };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

class FileStore implements StateStore {
  readonly name = "file";
  readonly supports: StoreSupports = {
    ...EVERY_STORE,
    durable: true,
    transactions: false,
    watch: false,
    shared: false, // The lock of the directory refuses a second owner.
  };
  readonly tombstoneMs: number;
  readonly #settings: FileSettings;
  readonly #closable = createGate("file");
  readonly #queue = createKeyQueue();
  readonly #sections: Turns;
  readonly #sweeper: Sweeper;
  readonly #walk: FileWalk;
  #opening: Promise<Opened> | undefined;

  constructor(settings: FileSettings) {
    const { clock, tombstoneMs } = settings;
    this.#settings = settings;
    this.tombstoneMs = tombstoneMs;
    this.#sections = createTurns(clock);
    this.#walk = new FileWalk({ tombstoneMs, queue: this.#queue });
    this.#sweeper = new Sweeper({
      clock,
      sweep: () => this.#run((records) => this.#walk.part(records, clock.now())),
      isShared: false,
    });
  }

  load(keys: readonly string[]): Promise<(StoredRecord | undefined)[]> {
    this.#sweeper.used();
    return this.#run((records) =>
      mapBounded(keys, READS_AT_ONCE, (key) =>
        this.#queue.run([key], () => this.#read(records, key)),
      ),
    );
  }

  commit(
    writes: readonly ScopeWrite[],
    { atomic = false }: { readonly atomic?: boolean } = {},
  ): Promise<WriteResult[]> {
    return this.#run((records) => {
      checkWrites(writes);
      if (atomic && writes.length > 1) throw noTransactions();
      const keys = writes.map((write) => write.key);
      return this.#queue.run(keys, async () => {
        const { results, drafts } = await planWrites(writes, {
          records,
          clock: this.#settings.clock,
          tombstoneMs: this.tombstoneMs,
          isStale: (key) => this.#sections.isStale(key),
          read: (key) => this.#read(records, key),
        });
        await putInPlace(records, drafts);
        for (const { forgets } of drafts) this.#sweeper.leaves(forgets);
        this.#sweeper.used();
        return results;
      });
    });
  }

  async *list(query: ListQuery = {}): AsyncGenerator<string, void, undefined> {
    const heads = await this.#run((records) => records.all());
    const now = this.#settings.clock.now();
    const living: string[] = [];
    for (const [key, head] of heads) {
      if (head.living && !isExpired(head.expires, now)) living.push(key);
    }
    for (const key of selectKeys(living, query)) {
      this.#closable.check();
      yield key;
    }
  }

  exclusive<T>(key: string, ttlMs: number, section: Section<T>, wait?: ExclusiveWait): Promise<T> {
    return this.#closable.run(() => this.#sections.run(key, ttlMs, section, wait));
  }

  erase(keys: readonly string[]): Promise<boolean[]> {
    return this.#run((records) =>
      this.#queue.run(keys, async () => {
        const erased = await mapBounded(keys, READS_AT_ONCE, (key) => records.remove(key));
        await records.sync();
        return erased;
      }),
    );
  }

  history(key: string, query: HistoryQuery = {}): Promise<HistoryRow[]> {
    return this.#run((records) =>
      this.#queue.run([key], async () => {
        const head = await records.head(key);
        const isLiving =
          head?.living === true && !isExpired(head.expires, this.#settings.clock.now());
        if (!isLiving || head.history === undefined) return [];
        return records.histories.read(key, head.history, query);
      }),
    );
  }

  pruneHistory(key: string, keep: HistoryKeep): Promise<number> {
    return this.#run((records) => this.#queue.run([key], () => pruneRecord(records, key, keep)));
  }

  close(): Promise<void> {
    this.#sweeper.stop();
    return this.#closable.close(async () => {
      // A failed opening was reported to the call that caused it.
      const opened = await this.#opening?.catch(() => undefined);
      await this.#walk.end();
      await opened?.records.close();
      await opened?.lock.release();
    });
  }

  /** Runs `work` on the open directory and maps its errors to the library's. */
  #run<T>(work: (records: FileRecords) => Promise<T>): Promise<T> {
    return this.#closable.run(async () => {
      try {
        const { records, lock, paths } = await this.#open();
        for (const path of paths) path.check();
        await lock.check();
        return await work(records).catch(async (error: unknown) => {
          // Files are missing also when this store lost the directory: that is the error then.
          if (systemCode(error) === "ENOENT") await lock.check();
          throw error;
        });
      } catch (error) {
        throw toDiskError(error, this.#settings.dir);
      }
    });
  }

  #open(): Promise<Opened> {
    this.#opening ??= openStore(this.#settings).catch((error: unknown) => {
      // The next call tries again: the other process may have ended by then.
      this.#opening = undefined;
      throw error;
    });
    return this.#opening;
  }

  async #read(records: FileRecords, key: string): Promise<StoredRecord | undefined> {
    const document = await records.read(key);
    if (document === undefined) return undefined;
    const { version, state, expires } = document;
    const now = this.#settings.clock.now();
    if (isExpired(expires, now)) return { version, state: undefined };
    return { version, state, leftMs: state === undefined ? undefined : leftMs(expires, now) };
  }
}

function noTransactions(): StoreUnavailableError {
  return new StoreUnavailableError(
    "the file store cannot commit several records as one; use a store with transactions",
  );
}

/**
 * A store in `dir`, opened at the first use. A damaged file is moved to `dir/corrupt`, and its key
 * rejects with `CorruptStateError` until that file is removed; other keys are not affected. `list`
 * reads every document once and keeps all keys in memory from then on.
 */
export function fileStore(options: FileStoreOptions): StateStore {
  return timedFileStore(options, LOCK_TIMING);
}

/** A `fileStore` with other times for its lock. */
export function timedFileStore(options: FileStoreOptions, timing: LockTiming): StateStore {
  refuseUnknown("fileStore", options, KNOWN);
  if (typeof options.dir !== "string" || options.dir === "")
    throw new TypeError("fileStore needs `dir`");
  refuseUrl("dir", options.dir);
  const { fsync = true, clock = systemClock } = options;
  const tombstoneMs = tombstoneOption(options.tombstoneMs);
  return new FileStore({ dir: resolve(options.dir), fsync, clock, timing, tombstoneMs });
}
