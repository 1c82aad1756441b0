/**
 * A store in one SQLite file: one transaction per batch, safe for several processes.
 *
 * Leases and times to live use the clock of the process that reads them. All processes are on one
 * machine and share its clock, so there is no skew; an injected clock must be shared by all.
 */
import { randomUUID } from "node:crypto";
import { clearTimeout, setTimeout } from "node:timers";
import { CorruptStateError } from "../../../actors/errors.ts";
import type { Clock, ExclusiveWait } from "../../../actors/protocol.ts";
import { BatchPerTick } from "../shared/batch-per-tick.ts";
import { createGate } from "../shared/closable.ts";
import { listPages, type PageRange } from "../shared/key-pages.ts";
import { type Attempt, createAttempt } from "./busy.ts";
import { type SqliteDatabase, toStoreError } from "./driver.ts";
import { SqliteFeed } from "./changes.ts";
import { connect, IN_MEMORY } from "./open.ts";
import { readSqliteOptions, type SqliteSettings, type SqliteStoreOptions } from "./options.ts";
import { type Erasure, type LeaseStep, SqliteSession } from "./session.ts";
import { leaveExclusive, prepareConnection } from "./setup.ts";
import type {
  CommitOptions,
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
import { pruneAll } from "../shared/history-rows.ts";
import { EVERY_STORE } from "../shared/supports.ts";
import { Sweeper } from "../shared/sweeper.ts";
import { leasedTurn, type Section } from "../shared/exclusive-lease.ts";
import { checkWrites, isAllOk } from "../shared/writes.ts";

/** How long the watchers of other connections can read that a key was erased; milliseconds. */
const REDACT_MS = 5_000;

/** The hint when a file is locked before it could be opened. */
const KEPT = ', or close the program that has it to itself, as with processes: "one"';

class SqliteStore implements StateStore {
  readonly name = "sqlite";
  readonly supports: StoreSupports;
  readonly tombstoneMs: number;
  readonly #settings: SqliteSettings;
  readonly #clock: Clock;
  readonly #owner: string = randomUUID();
  readonly #closable = createGate("sqlite");
  /** Separate, because a reader need not wait for the writer of another process. */
  readonly #attemptRead: Attempt;
  readonly #attemptWrite: Attempt;
  readonly #feed: SqliteFeed;
  readonly #sweeper: Sweeper;
  /** Keys that were erased and are still in a note for watchers. */
  #erased: Erasure["noted"] = [];
  #redacting: NodeJS.Timeout | undefined;
  /** Exclusive sections of this object; `until` is when the lease ends. */
  readonly #sections = new Map<string, { readonly token: string; readonly until: number }>();
  /** Leases of one turn share a transaction: each transaction of its own waits for the disk. */
  readonly #leases: BatchPerTick<LeaseStep, boolean>;
  #opened: { readonly database: SqliteDatabase; readonly session: SqliteSession } | undefined;
  #damage: { readonly location: string; readonly reason: string } | undefined;

  constructor(settings: SqliteSettings) {
    this.#settings = settings;
    this.#clock = settings.clock;
    const { path, busyTimeoutMs } = settings;
    const hint = (): string => (this.#opened === undefined ? KEPT : "");
    this.#attemptRead = createAttempt({ path, busyTimeoutMs, hint });
    this.#attemptWrite = createAttempt({ path, busyTimeoutMs, hint });
    this.#leases = new BatchPerTick({
      run: (steps) => this.#attemptWrite(() => this.#changeLeases(steps)),
      isOfOne: () => false,
      isImmediate: false,
    });
    this.#feed = new SqliteFeed({
      begin: (now, until) => this.#attemptWrite(() => this.#session().watch({ now, until })),
      renew: (until) => this.#session().watchOn(until),
      since: (from) => this.#session().since(from),
      end: () => this.#unwatch(),
      logger: settings.logger,
    });
    this.tombstoneMs = settings.tombstoneMs;
    this.#sweeper = new Sweeper({
      clock: settings.clock,
      sweep: () =>
        this.#closable.run(() =>
          this.#attemptWrite(() => this.#session().sweep(settings.clock.now())),
        ),
      isShared: settings.path !== IN_MEMORY && settings.processes !== "one",
    });
    this.supports = {
      ...EVERY_STORE,
      durable: settings.path !== IN_MEMORY,
      transactions: true,
      // A sole owner has no commits of others to watch.
      watch: settings.path !== IN_MEMORY && settings.processes !== "one",
      shared: true,
      checks: true,
    };
  }

  async load(keys: readonly string[]): Promise<(StoredRecord | undefined)[]> {
    this.#sweeper.used();
    const records = await this.#read((session) => session.load(keys, this.#clock.now()));
    this.#feed.look();
    return records;
  }

  commit(writes: readonly ScopeWrite[], options: CommitOptions = {}): Promise<WriteResult[]> {
    // Checks alone only read: they need not wait for the writer of another process.
    const attempt = writes.length === 0 ? this.#attemptRead : this.#attemptWrite;
    const commit = (): WriteResult[] => {
      checkWrites(writes, options.checks);
      const now = this.#clock.now();
      const session = this.#opened?.session ?? this.#session();
      const results = session.commit(writes, options, now);
      this.#sweeper.used(now);
      if (!isAllOk(results)) this.#feed.look();
      return results;
    };
    return this.#closable.run(() => attempt(commit));
  }

  list(query: ListQuery = {}): AsyncIterable<string> {
    const page = (range: PageRange): Promise<string[]> =>
      this.#attemptRead(() => this.#session().list(range, this.#clock.now()));
    return listPages(query, { gate: this.#closable, page });
  }

  watch(
    changed: (key: string, version: number) => void,
    missed?: () => void,
  ): Promise<() => Promise<void>> {
    return this.#closable.run(() => this.#feed.start({ changed, missed }));
  }

  exclusive<T>(key: string, ttlMs: number, section: Section<T>, wait?: ExclusiveWait): Promise<T> {
    const token = randomUUID();
    const change = (how: LeaseStep["how"]) => (): Promise<boolean> =>
      this.#leases.add({ how, key, token, ttlMs });
    const release = (): Promise<boolean> => {
      if (this.#sections.get(key)?.token === token) this.#sections.delete(key);
      return change("release")();
    };
    const steps = { take: change("lease"), renew: change("renew"), release };
    const lease = { ...wait, ...steps, key, ttlMs, clock: this.#clock };
    return this.#closable.run(() => leasedTurn(lease, section));
  }

  erase(keys: readonly string[]): Promise<boolean[]> {
    return this.#closable.run(async () => {
      const { erased, noted } = await this.#attemptWrite(() => this.#session().erase(keys));
      this.#erased = [...this.#erased, ...noted];
      if (this.#erased.length > 0)
        this.#redacting ??= setTimeout(() => this.#redact(), REDACT_MS).unref();
      return erased;
    });
  }

  history(key: string, query: HistoryQuery = {}): Promise<HistoryRow[]> {
    return this.#read((session) => session.history(key, query, this.#clock.now()));
  }

  pruneHistory(key: string, keep: HistoryKeep): Promise<number> {
    const part = (): Promise<number> =>
      this.#attemptWrite(() => this.#session().pruneHistory(key, keep));
    return this.#closable.run(() => pruneAll(part));
  }

  close(): Promise<void> {
    this.#sweeper.stop();
    return this.#closable.close(() => {
      this.#redact();
      this.#feed.close();
      if (this.#settings.database === undefined) this.#closeOwn();
      this.#opened = undefined;
    });
  }

  /**
   * SQLite folds the log in when this is the last connection. Forcing it while others are open can
   * lose their commits.
   */
  #closeOwn(): void {
    const database = this.#opened?.database;
    if (database === undefined) return;
    if (this.#settings.processes === "one") leaveExclusive(database);
    database.close();
  }

  #read<T>(work: (session: SqliteSession) => T): Promise<T> {
    return this.#closable.run(() => this.#attemptRead(() => work(this.#session())));
  }

  #session(): SqliteSession {
    if (this.#opened !== undefined) return this.#opened.session;
    // Damage is permanent, and libsql keeps each file it opened until the next garbage collection.
    const damage = this.#damage;
    if (damage !== undefined) throw new CorruptStateError(damage);
    try {
      return this.#open();
    } catch (error) {
      const failure = toStoreError(error, this.#settings.path);
      if (failure instanceof CorruptStateError) {
        const { location, reason } = failure;
        this.#damage = { location, reason };
      }
      throw error;
    }
  }

  #open(): SqliteSession {
    const { path, database: given } = this.#settings;
    if (given !== undefined) prepareConnection(given, this.#settings);
    const database = given ?? connect(this.#settings);
    try {
      const session = new SqliteSession({
        database,
        path,
        owner: this.#owner,
        tombstoneMs: this.tombstoneMs,
        isWatchable: this.supports.watch,
        sections: this.#sections,
        leaves: (at) => this.#sweeper.leaves(at),
      });
      this.#opened = { database, session };
      return session;
    } catch (error) {
      if (given === undefined) database.close();
      throw error;
    }
  }

  #changeLeases(steps: readonly LeaseStep[]): boolean[] {
    const now = this.#clock.now();
    const changed = this.#session().changeLeases(steps, now);
    steps.forEach(({ how, key, token, ttlMs }, at) => {
      // A section may have ended while its renewal waited.
      const isKept =
        how === "lease" || (how === "renew" && this.#sections.get(key)?.token === token);
      if (isKept && changed[at] === true) this.#sections.set(key, { token, until: now + ttlMs });
    });
    return changed;
  }

  #unwatch(): void {
    try {
      this.#opened?.session.unwatch();
    } catch {
      // The registration expires by itself.
    }
  }

  #redact(): void {
    const noted = this.#erased;
    clearTimeout(this.#redacting);
    [this.#erased, this.#redacting] = [[], undefined];
    if (noted.length === 0) return;
    try {
      this.#session().redact(noted);
    } catch {
      // The notes are removed by themselves, a while later.
    }
  }
}

/**
 * A store on one file. The database is opened at the first use, and its errors reject that call.
 */
export function sqliteStore(options: SqliteStoreOptions): StateStore {
  return new SqliteStore(readSqliteOptions(options));
}
