/**
 * The transactions of one connection.
 *
 * A statement that met a lock stays open in SQLite, so that it can be stepped again. Some libraries
 * do not reset a prepared statement that threw: it then keeps an old snapshot on the connection,
 * whose reads are stale and whose commits all fail. So whatever can meet a lock runs by `exec`,
 * which every library finishes: BEGIN IMMEDIATE takes the writer's lock, TAKE_SNAPSHOT the
 * reader's, COMMIT any other. A prepared statement only runs between them, where no lock is
 * taken.
 */
import { commitUnknown, isInDoubt, type SqliteDatabase, toStoreError } from "./driver.ts";
import { OpenedFiles } from "./files.ts";
import { rollback, toSchemaError } from "./setup.ts";

/** A deferred BEGIN reads nothing: the first SELECT after it takes the snapshot. */
const TAKE_SNAPSHOT = "SELECT 1 FROM holdfast_meta LIMIT 1";

/** See the head of this file; `path` is for messages. */
export class Transactions {
  readonly #database: SqliteDatabase;
  readonly #path: string;
  readonly #files: OpenedFiles;

  constructor(database: SqliteDatabase, path: string) {
    this.#database = database;
    this.#path = path;
    this.#files = new OpenedFiles(database);
  }

  /** Runs `work`, which only reads, on one state of the file. */
  read<T>(work: () => T): T {
    const reading = (): T => {
      this.#database.exec(TAKE_SNAPSHOT);
      return work();
    };
    return this.write(reading, undefined, "BEGIN");
  }

  /** Runs `work` as the only writer, and commits it unless `keep` returns false. */
  write<T>(
    work: () => T,
    keep?: (result: T) => boolean,
    begin: "BEGIN IMMEDIATE" | "BEGIN" = "BEGIN IMMEDIATE",
  ): T {
    this.#files.check(begin === "BEGIN IMMEDIATE");
    this.#database.exec(begin);
    let isEnding = false;
    try {
      const result = work();
      if (keep?.(result) === false) {
        rollback(this.#database);
        return result;
      }
      isEnding = true;
      this.#database.exec("COMMIT");
      return result;
    } catch (error) {
      rollback(this.#database);
      // A COMMIT that failed at the disk may turn out complete when the log is next recovered.
      if (isEnding && isInDoubt(error)) throw commitUnknown(toStoreError(error, this.#path));
      throw toSchemaError(error, this.#path);
    }
  }
}
