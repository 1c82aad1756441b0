/** One open connection with its statements: transactions, commits and reads, all synchronous. */
import { fromAsciiKey, toAsciiKey } from "./ascii-key.ts";
import {
  bytesToText,
  commitUnknown,
  isInDoubt,
  type SqliteDatabase,
  toStoreError,
} from "./sqlite-driver.ts";
import { LargeKeys, RecordReader } from "./sqlite-record.ts";
import { prepareStatements, rollback, type Statements } from "./sqlite-schema.ts";
import { RecordWriter } from "./sqlite-writer.ts";
import type { ScopeWrite, StoredRecord, WriteResult } from "./store.ts";
import { conflict, isAllOk } from "./write-check.ts";

/** What a session needs. */
export interface SessionSettings {
  readonly database: SqliteDatabase;
  /** For messages. */
  readonly path: string;
  readonly owner: string;
  /** True when a write comes from a turn that ran out of time. */
  readonly isStale: (key: string) => boolean;
}

/** Everything the store does on its connection. */
export class SqliteSession {
  readonly #database: SqliteDatabase;
  readonly #path: string;
  readonly #owner: string;
  readonly #isStale: (key: string) => boolean;
  readonly #statements: Statements;
  readonly #reader: RecordReader;
  readonly #writer: RecordWriter;

  constructor(settings: SessionSettings) {
    const { database, path, owner, isStale } = settings;
    this.#database = database;
    this.#path = path;
    this.#owner = owner;
    this.#isStale = isStale;
    this.#statements = prepareStatements(database);
    const large = new LargeKeys();
    this.#reader = new RecordReader({ statements: this.#statements, path, large });
    this.#writer = new RecordWriter({ statements: this.#statements, owner, large });
  }

  load(keys: readonly string[], now: number): (StoredRecord | undefined)[] {
    return this.#transact("beginRead", {
      work: () => keys.map((key) => this.#read(key, now)),
    });
  }

  commit(writes: readonly ScopeWrite[], atomic: boolean, now: number): WriteResult[] {
    const [only] = writes;
    if (only === undefined) return [];
    if (writes.length === 1 && this.#updateAlone(only, now))
      return [{ ok: true, version: only.version }];
    const results = this.#transact("begin", {
      work: () => {
        const leased = this.#writer.isAnyBlocked(now);
        return writes.map((write) => this.#write(write, now, leased));
      },
      keep: (answers) => !atomic || isAllOk(answers),
    });
    return atomic && !isAllOk(results) ? this.#refuse(writes, now) : results;
  }

  list(from: string, to: string, page: { after: boolean; limit: number; now: number }): string[] {
    const statement = page.after ? this.#statements.listAfter : this.#statements.listFrom;
    return statement.all(from, to, page.now, page.limit).map((row) => {
      // The statement selects the one column `key`, as bytes.
      const text = bytesToText((row as { key: unknown }).key);
      return fromAsciiKey(text ?? "");
    });
  }

  /** Takes the lease of `key` until then, if no living lease is there. */
  lease(key: string, token: string, times: { now: number; until: number }): boolean {
    const { lease } = this.#statements;
    const outcome = lease.run(toAsciiKey(key), this.#owner, token, times.until, times.now);
    return Number(outcome.changes) > 0;
  }

  release(key: string, token: string): void {
    this.#statements.release.run(toAsciiKey(key), token);
  }

  #read(key: string, now: number): StoredRecord | undefined {
    return this.#reader.read(toAsciiKey(key), now);
  }

  #updateAlone(write: ScopeWrite, now: number): boolean {
    if (this.#isStale(write.key)) return false;
    try {
      return this.#writer.updateAlone(write, now);
    } catch (error) {
      throw isInDoubt(error) ? commitUnknown(toStoreError(error, this.#path)) : error;
    }
  }

  #write(write: ScopeWrite, now: number, leased: boolean): WriteResult {
    const mayWrite = !this.#isStale(write.key) && !(leased && this.#writer.isBlocked(write, now));
    if (mayWrite && this.#writer.write(write, now)) return { ok: true, version: write.version };
    return conflict(this.#read(write.key, now));
  }

  #refuse(writes: readonly ScopeWrite[], now: number): WriteResult[] {
    const current = this.load(
      writes.map((write) => write.key),
      now,
    );
    return current.map((record) => conflict(record));
  }

  /** Runs `work` in a transaction and commits it if `keep` says so. */
  #transact<T>(
    begin: "begin" | "beginRead",
    { work, keep }: { work: () => T; keep?: (result: T) => boolean },
  ): T {
    this.#statements[begin].run();
    try {
      const result = work();
      if (keep?.(result) === false) rollback(this.#database);
      else this.#end();
      return result;
    } catch (error) {
      rollback(this.#database);
      throw error;
    }
  }

  #end(): void {
    try {
      this.#statements.end.run();
    } catch (error) {
      // A COMMIT that failed at the disk may be found complete when the log is next recovered.
      throw isInDoubt(error) ? commitUnknown(toStoreError(error, this.#path)) : error;
    }
  }
}
