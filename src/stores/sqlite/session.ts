/** The operations of the store on one open connection, all synchronous. */
import { toAsciiKey } from "../shared/ascii-key.ts";
import { LargeKeys } from "../shared/large-records.ts";
import { LIST_STATEMENTS, type PageRange } from "../shared/key-pages.ts";
import { ChangeNotes, type ChangePosition, type ChangeReport } from "./change-notes.ts";
import { bytesToText, columnOf, type SqliteDatabase } from "./driver.ts";
import { HistoryTable } from "./history.ts";
import { RecordReader } from "./reader.ts";
import { prepareStatements, type Statements } from "./schema.ts";
import { toSchemaError } from "./setup.ts";
import { Transactions } from "./transactions.ts";
import { RecordWriter } from "./writer.ts";
import type {
  CommitOptions,
  HistoryKeep,
  HistoryQuery,
  HistoryRow,
  ScopeWrite,
  StoredRecord,
  VersionCheck,
  WriteResult,
} from "../contract.ts";
import { conflict, isAllOk } from "../shared/writes.ts";

/** The most records that are removed in one batch of a sweep. */
const SWEPT_AT_ONCE = 256;

/** The result of `erase`. */
export interface Erasure {
  /** Whether there was something, in the order of the keys. */
  readonly erased: boolean[];
  /** Keys that a note still names, with their next version. */
  readonly noted: readonly (readonly [key: string, version: number])[];
}

/** A change of the lease of a key; `token` names the section. */
export interface LeaseStep {
  /** Acquires it unless another token has it, or extends it or ends it if this token has it. */
  readonly how: "lease" | "renew" | "release";
  readonly key: string;
  readonly token: string;
  readonly ttlMs: number;
}

/** The settings of a session. */
export interface SessionSettings {
  readonly database: SqliteDatabase;
  /** For messages. */
  readonly path: string;
  readonly owner: string;
  readonly tombstoneMs: number;
  /** False: no other connection can read the file, so none watches its commits. */
  readonly isWatchable: boolean;
  /** Sections of this store object by key; a write of one that ran longer than that is refused. */
  readonly sections: ReadonlyMap<string, { readonly until: number }>;
  /** Called with the time at which a record that was written can be removed. */
  readonly leaves: (at: number) => void;
}

/** All operations of the store on its connection. */
export class SqliteSession {
  readonly #database: SqliteDatabase;
  readonly #owner: string;
  readonly #sections: SessionSettings["sections"];
  readonly #statements: Statements;
  readonly #transactions: Transactions;
  readonly #notes: ChangeNotes;
  readonly #reader: RecordReader;
  readonly #writer: RecordWriter;
  readonly #history: HistoryTable;

  constructor(settings: SessionSettings) {
    const { database, path, owner, tombstoneMs, isWatchable, leaves } = settings;
    this.#database = database;
    this.#owner = owner;
    this.#sections = settings.sections;
    const statements = preparedIn(database, path);
    const large = new LargeKeys();
    const history = new HistoryTable(statements, path);
    this.#statements = statements;
    this.#transactions = new Transactions(database, path);
    this.#notes = new ChangeNotes({ statements, owner, isWatchable });
    this.#reader = new RecordReader({ statements, path, large });
    this.#history = history;
    this.#writer = new RecordWriter({ statements, owner, large, tombstoneMs, history, leaves });
  }

  load(keys: readonly string[], now: number): (StoredRecord | undefined)[] {
    return this.#transactions.read(() => keys.map((key) => this.#read(key, now)));
  }

  history(key: string, query: HistoryQuery, now: number): HistoryRow[] {
    return this.#transactions.read(() => this.#history.read(key, query, now));
  }

  /** Removes rows of a history, up to a number; returns how many. */
  pruneHistory(key: string, keep: HistoryKeep): number {
    return this.#transactions.write(() => {
      const count = this.#history.prune(key, keep);
      if (count > 0) this.#notes.noteOther();
      return count;
    });
  }

  /** Checks see the records before the writes; checks alone take no writer's lock. */
  commit(
    writes: readonly ScopeWrite[],
    { atomic = false, checks = [] }: CommitOptions,
    now: number,
  ): WriteResult[] {
    if (writes.length === 0) return this.#transactions.read(() => this.#checkAll(checks, now));
    const results = this.#transactions.write(
      () => {
        const checked = checks.length === 0 ? [] : this.#checkAll(checks, now);
        const written = atomic && !isAllOk(checked) ? [] : this.#writeAll(writes, now);
        this.#notes.noteWrites(writes, written);
        return checks.length === 0 ? written : [...written, ...checked];
      },
      atomic ? isAllOk : undefined,
    );
    if (!atomic || isAllOk(results)) return results;
    return [...this.#refuse(writes, now), ...results.slice(results.length - checks.length)];
  }

  /** Removes some expired tombstones; returns when the next expires, in the past if one is left. */
  sweep(now: number): number {
    const { over, nextOver } = this.#statements;
    const next = (): number => Number(columnOf(nextOver.get(now), "at") ?? Infinity);
    const found = (): unknown[] => over.all(now, now, this.#owner, now, SWEPT_AT_ONCE);
    // This check needs no writer's lock.
    const left = this.#transactions.read(() => (found().length === 0 ? next() : undefined));
    if (left !== undefined) return left;
    return this.#transactions.write(() => {
      const keys = found().map((row) => bytesToText(columnOf(row, "key")) ?? "");
      for (const key of keys) this.#writer.remove(key);
      this.#notes.noteOther();
      return keys.length === SWEPT_AT_ONCE ? -Infinity : next();
    });
  }

  /** Removes everything stored under these keys. */
  erase(keys: readonly string[]): Erasure {
    const { version } = this.#statements;
    // Without it the erased data stays readable in the free pages of the file.
    const setting = "secure_delete";
    const before = columnOf(this.#database.prepare(`PRAGMA ${setting}`).get(), setting);
    this.#database.exec(`PRAGMA ${setting} = ON`);
    try {
      return this.#transactions.write(() => {
        const next = keys.map((key): readonly [string, number] => {
          const found = columnOf(version.get(toAsciiKey(key)), "version");
          return [key, typeof found === "number" ? found + 1 : 1];
        });
        const erased = keys.map((key) => this.#writer.remove(toAsciiKey(key)));
        const gone = next.filter((_, at) => erased[at] === true);
        const isNoted = gone.length > 0 && this.#notes.noteErased(gone);
        return { erased, noted: isNoted ? gone : [] };
      });
    } finally {
      if (before === 0 || before === 2)
        this.#database.exec(`PRAGMA ${setting} = ${before === 0 ? "OFF" : "FAST"}`);
    }
  }

  /** Removes erased keys from the note for watchers. */
  redact(noted: Erasure["noted"]): void {
    this.#transactions.write(() => this.#notes.redact(noted));
  }

  /** A page of encoded keys. */
  list({ from, side, end, count }: PageRange, now: number): string[] {
    const statement = this.#statements[LIST_STATEMENTS[side]];
    const rows = this.#transactions.read(() => statement.all(from, end, now, count));
    return rows.map((row) => bytesToText(columnOf(row, "key")) ?? "");
  }

  /** Changes leases in their order; returns which were changed. */
  changeLeases(steps: readonly LeaseStep[], now: number): boolean[] {
    return this.#transactions.write(() => {
      const changed = steps.map((step) => this.#changeLease(step, now));
      if (changed.includes(true)) this.#notes.noteOther();
      return changed;
    });
  }

  /** Registers this connection's watcher until `until`; times are the system's. */
  watch({ now, until }: { now: number; until: number }): ChangePosition {
    return this.#transactions.write(() => this.#notes.register(now, until));
  }

  /** Extends the registration. */
  watchOn(until: number): void {
    this.#transactions.write(() => this.#notes.renew(until));
  }

  unwatch(): void {
    this.#transactions.write(() => this.#notes.unregister());
  }

  /** What others changed since `from`; `undefined` when nothing changed. */
  since(from: ChangePosition): ChangeReport | undefined {
    return this.#transactions.read(() => this.#notes.since(from));
  }

  #changeLease({ how, key: name, token, ttlMs }: LeaseStep, now: number): boolean {
    const { lease, renew, release } = this.#statements;
    const [key, until] = [toAsciiKey(name), now + ttlMs];
    if (how === "lease") return lease.run(key, this.#owner, token, until, now).changes > 0;
    if (how === "renew") return renew.run(until, key, token, now).changes > 0;
    return release.run(key, token).changes > 0;
  }

  #read(key: string, now: number): StoredRecord | undefined {
    return this.#reader.read(toAsciiKey(key), now);
  }

  #checkAll(checks: readonly VersionCheck[], now: number): WriteResult[] {
    return checks.map(({ key, expectedVersion: version }) => {
      const stored = columnOf(this.#statements.version.get(toAsciiKey(key)), "version") ?? 0;
      return stored === version ? { ok: true, version } : conflict(this.#read(key, now));
    });
  }

  #writeAll(writes: readonly ScopeWrite[], now: number): WriteResult[] {
    const [only] = writes;
    const hasSections = this.#sections.size > 0;
    if (only !== undefined && writes.length === 1 && !(hasSections && this.#isStale(only.key, now)))
      if (this.#writer.updateAlone(only, now)) return [{ ok: true, version: only.version }];
    const leased = this.#writer.isAnyBlocked(now);
    return writes.map((write) => {
      const isRefused =
        (hasSections && this.#isStale(write.key, now)) ||
        (leased && this.#writer.isBlocked(write, now));
      if (!isRefused && this.#writer.write(write, now)) return { ok: true, version: write.version };
      return conflict(this.#read(write.key, now));
    });
  }

  /** True for a write of a section that ran longer than its `ttlMs`. */
  #isStale(key: string, now: number): boolean {
    const section = this.#sections.get(key);
    return section !== undefined && now >= section.until;
  }

  #refuse(writes: readonly ScopeWrite[], now: number): WriteResult[] {
    const keys = writes.map(({ key }) => key);
    return this.load(keys, now).map((record) => conflict(record));
  }
}

function preparedIn(database: SqliteDatabase, path: string): Statements {
  try {
    return prepareStatements(database);
  } catch (error) {
    throw toSchemaError(error, path);
  }
}
