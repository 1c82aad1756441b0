/** Finds or makes the database file; an empty file is never mistaken for an empty store. */
import { randomUUID } from "node:crypto";
import {
  closeSync,
  existsSync,
  fchmodSync,
  linkSync,
  mkdirSync,
  openSync,
  rmSync,
  statSync,
} from "node:fs";
import { dirname, resolve } from "node:path";
import { CorruptStateError, StoreUnavailableError } from "../../../actors/errors.ts";
import { SamePath } from "../shared/same-path.ts";
import { openDatabase, type SqliteDatabase } from "./driver.ts";
import { type ConnectionSettings, prepareConnection, prepareFresh } from "./setup.ts";

/**
 * Files up to so many pages (16 MB of the usual size) are checked when opened, which takes some
 * tens of milliseconds at most. For larger files the operator can run `PRAGMA integrity_check`.
 */
const CHECKED_PAGES_MAX = 4096;

const FILE_MODE = 0o600;

/** The path of a database in memory. */
export const IN_MEMORY = ":memory:";

function openPrepared(path: string, settings: ConnectionSettings): SqliteDatabase {
  const database = openDatabase(path);
  try {
    prepareConnection(database, settings);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/**
 * SQLite would apply leftovers of another database to the new one. They may contain commits that
 * exist nowhere else, so they are not removed.
 */
function refuseRemains(path: string): void {
  for (const left of ["-wal", "-journal"].map((suffix) => path + suffix)) {
    const size = statSync(left, { throwIfNoEntry: false })?.size ?? 0;
    // If another process just made this file, its database exists by now.
    if (size === 0 || existsSync(path)) continue;
    throw new StoreUnavailableError(
      `${path} is gone, but ${left} is left of it; put the database back, or remove that file, too`,
    );
  }
}

/**
 * The file is made under another name and linked to `path` whole. So an empty file at `path` was
 * cut short by something else, and a process killed while creating leaves no partial file there.
 */
function createFile({ path, processes }: ConnectionSettings): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  refuseRemains(path);
  const fresh = `${path}.${randomUUID()}.new`;
  try {
    makePrivate(fresh);
    const database = openDatabase(fresh);
    prepareFresh(database, processes);
    // The one file that is linked must contain everything: no other connection prevents that.
    database.close();
    linkSync(fresh, path);
  } catch (error) {
    // Another process was faster: its file is equivalent.
    if (!existsSync(path)) throw error;
  } finally {
    for (const suffix of ["", "-journal", "-wal", "-shm"]) rmSync(fresh + suffix, { force: true });
  }
}

/** Makes an empty file for its owner alone; SQLite gives the files beside it the same rights. */
function makePrivate(path: string): void {
  const file = openSync(path, "wx", FILE_MODE);
  try {
    // The umask can only remove rights, also those of the owner.
    fchmodSync(file, FILE_MODE);
  } finally {
    closeSync(file);
  }
}

/**
 * Runs SQLite's check of a small file's pages and indexes. A changed byte in an index makes a key
 * look as if it had never been written, which no checksum of a row can show.
 */
function checkPages(database: SqliteDatabase, path: string): void {
  const pages = database.prepare("SELECT page_count AS pages FROM pragma_page_count").get();
  if (typeof pages !== "object" || pages === null || !("pages" in pages)) return;
  if (Number(pages.pages) > CHECKED_PAGES_MAX) return;
  const row = database
    .prepare("SELECT integrity_check = 'ok' AS sound FROM pragma_integrity_check LIMIT 1")
    .get();
  if (typeof row === "object" && row !== null && "sound" in row && row.sound === 1) return;
  throw new CorruptStateError({ location: path, reason: "its pages do not fit together" });
}

/** Opens the database of a store; creates file and tables when there are none. */
export function connect(settings: ConnectionSettings): SqliteDatabase {
  if (settings.path === IN_MEMORY) return openPrepared(IN_MEMORY, settings);
  const path = resolve(settings.path);
  if (!existsSync(path)) createFile({ ...settings, path });
  if (statSync(path).size === 0)
    throw new CorruptStateError({ location: path, reason: "the file is empty" });
  const file = new SamePath(path);
  const database = openPrepared(path, settings);
  try {
    file.check();
    checkPages(database, path);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}
