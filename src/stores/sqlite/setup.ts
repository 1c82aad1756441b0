/** Sets up a connection: its locks, its journal, and the tables of the file. */
import { CorruptStateError, StoreUnavailableError } from "../../../actors/errors.ts";
import type { Clock, Logger } from "../../../actors/protocol.ts";
import { isWalSound, type Processes, sqliteVersion, walWarning } from "./build.ts";
import { columnOf, isSchemaFault, type SqliteDatabase } from "./driver.ts";
import { journalMode } from "./files.ts";
import { addForgets, FORGETS_INDEX, HAS_FORGETS, SCHEMA_VERSION, TABLES } from "./schema.ts";

/** How far a commit is written to disk before it resolves. */
export type Synchronous = "full" | "normal";

/** How a connection is set up. */
export interface ConnectionSettings {
  readonly path: string;
  readonly synchronous: Synchronous;
  /** How long SQLite itself blocks the thread for a lock. */
  readonly lockWaitMs: number;
  /** With `one` the connection locks out every other one. */
  readonly processes: Processes;
  /** The clock of expiry. */
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * The rollback journal is truncated and stays. With `synchronous` FULL the truncation is on disk
 * before a commit resolves; the removal of the file, SQLite's default, is not.
 */
const ROLLBACK_MODE = "TRUNCATE";

/** Sets up the connection and creates or checks the tables. */
export function prepareConnection(database: SqliteDatabase, settings: ConnectionSettings): void {
  const { path, processes, logger } = settings;
  database.exec(`PRAGMA busy_timeout = ${settings.lockWaitMs}`);
  if (processes === "one") database.exec("PRAGMA locking_mode = EXCLUSIVE");
  const { mode, isOurs } = lookAt(database, path);
  const version = sqliteVersion(database);
  const isSound = isWalSound(version);
  if (mode !== "wal") {
    // In WAL mode readers and the writer do not block each other, and a commit is one sync. A file
    // that another program set up keeps its mode: it may be open there, with another SQLite.
    const isWal = processes === "one" || (isSound && !isOurs);
    database.exec(`PRAGMA journal_mode = ${isWal ? "WAL" : ROLLBACK_MODE}`);
  }
  database.exec(`PRAGMA synchronous = ${settings.synchronous === "full" ? "FULL" : "NORMAL"}`);
  createTables(database, path, settings.clock.now());
  if (mode === "wal" && processes === "several" && !isSound)
    logger.warn(walWarning(path, version), { path, version });
}

/** Makes the tables of a new file that no other program has open, in its lasting journal mode. */
export function prepareFresh(database: SqliteDatabase, processes: Processes): void {
  database.exec(`BEGIN; ${TABLES} ${FORGETS_INDEX} COMMIT`);
  if (processes === "several" && isWalSound(sqliteVersion(database)))
    database.exec("PRAGMA journal_mode = WAL");
}

/**
 * Leaves a file that only this connection used in the journal mode that this SQLite would choose
 * for several processes.
 */
export function leaveExclusive(database: SqliteDatabase): void {
  try {
    if (isWalSound(sqliteVersion(database))) return;
    database.exec("PRAGMA journal_mode = DELETE");
    // Libraries that cannot finalize statements keep the connection open for a while. It releases
    // its lock at the next read.
    database.exec("PRAGMA locking_mode = NORMAL; SELECT 1 FROM holdfast_meta LIMIT 1");
  } catch {
    // The file is complete as it is; the next connection reads it.
  }
}

/** Ends a failed transaction. */
export function rollback(database: SqliteDatabase): void {
  try {
    database.exec("ROLLBACK");
  } catch {
    // SQLite already rolled back; the first error is the one to report.
  }
}

interface Found {
  /** The journal's mode. */
  readonly mode: string;
  /** True when the tables are there. */
  readonly isOurs: boolean;
}

function lookAt(database: SqliteDatabase, path: string): Found {
  database.exec("BEGIN");
  try {
    database.exec("SELECT 1 FROM sqlite_master LIMIT 1");
    const named = "SELECT 1 AS found FROM sqlite_master WHERE name = 'holdfast_meta'";
    const isOurs = columnOf(database.prepare(named).get(), "found") !== undefined;
    return { mode: journalMode(database), isOurs };
  } catch (error) {
    throw toSchemaError(error, path);
  } finally {
    rollback(database);
  }
}

function createTables(database: SqliteDatabase, path: string, now: number): void {
  database.exec("BEGIN IMMEDIATE");
  try {
    database.exec(TABLES);
    checkSchema(database, path);
    if (columnOf(database.prepare(HAS_FORGETS).get(), "found") === undefined)
      database.exec(addForgets(now));
    database.exec(FORGETS_INDEX);
    database.exec("COMMIT");
  } catch (error) {
    rollback(database);
    throw toSchemaError(error, path);
  }
}

function checkSchema(database: SqliteDatabase, path: string): void {
  const row = database.prepare("SELECT value FROM holdfast_meta WHERE name = ?").get("schema");
  const found = columnOf(row, "value");
  if (typeof found !== "number")
    throw new CorruptStateError({
      location: path,
      reason: "the version of its tables is no number",
    });
  if (found <= SCHEMA_VERSION) return;
  throw new StoreUnavailableError(
    `${path} has tables of version ${found}, this library knows up to ${SCHEMA_VERSION}; ` +
      "use the version of the library that wrote it",
  );
}

/**
 * The library's statements are correct: an error that SQLite finds in them is one of the tables of
 * the file. Other errors pass unchanged.
 */
export function toSchemaError(error: unknown, path: string): unknown {
  if (!isSchemaFault(error)) return error;
  const reason = "its tables are not those this library makes";
  return new CorruptStateError({ location: path, reason }, { cause: error });
}
