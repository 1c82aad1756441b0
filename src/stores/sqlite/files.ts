/** The files of an open database: commits must go to the files that the path names. */
import { performance } from "node:perf_hooks";
import { SamePath } from "../shared/same-path.ts";
import { columnOf, type SqliteDatabase } from "./driver.ts";

/** The files of WAL mode beside the database while a connection is open: the log and its index. */
const BESIDE = ["-wal", "-shm"];
/** Milliseconds between two checks of these: each costs a part of a commit in memory. */
export const BESIDE_LOOK_MS = 20;

/** The text in a column of a row, else empty. */
function textOf(row: unknown, column: string): string {
  const value = columnOf(row, column);
  return typeof value === "string" ? value : "";
}

/** The journal mode of a connection: `wal`, `delete`, `truncate`, `persist`, `memory` or `off`. */
export function journalMode(database: SqliteDatabase): string {
  return textOf(database.prepare("PRAGMA journal_mode").get(), "journal_mode");
}

/** The path of a connection's main database; empty for one in memory. */
function pathOf(database: SqliteDatabase): string {
  const row = database.prepare("SELECT file FROM pragma_database_list WHERE name = 'main'").get();
  return textOf(row, "file");
}

/** The files of one connection, with the identities they have when this is made. */
export class OpenedFiles {
  readonly #database: SqliteDatabase;
  readonly #main: SamePath | undefined;
  #beside: readonly SamePath[] = [];
  #besideSeen = 0;

  constructor(database: SqliteDatabase) {
    this.#database = database;
    const path = pathOf(database);
    if (path === "") return;
    this.#main = new SamePath(path);
    if (journalMode(database) !== "wal") return;
    this.#beside = BESIDE.map((suffix) => new SamePath(path + suffix)).filter((at) => at.isSame);
  }

  /**
   * Throws `StoreUnavailableError` when the file was removed or replaced. Before a write it also
   * throws when the log or its index was; that is detected within `BESIDE_LOOK_MS`.
   */
  check(writes: boolean): void {
    if (this.#main?.isSame === false) this.#main.check();
    if (writes && this.#beside.length > 0) this.#checkBeside();
  }

  #checkBeside(): void {
    const now = performance.now();
    if (now - this.#besideSeen < BESIDE_LOOK_MS) return;
    if (this.#beside.every((file) => file.isSame)) {
      this.#besideSeen = now;
      return;
    }
    // The program that passed the connection may have left WAL mode; SQLite removes the files then.
    if (journalMode(this.#database) !== "wal") this.#beside = [];
    for (const file of this.#beside) file.check();
  }
}
