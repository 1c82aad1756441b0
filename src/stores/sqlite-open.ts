/** Finds or makes the database file, so that an empty file is never mistaken for an empty store. */
import { randomUUID } from "node:crypto";
import { existsSync, linkSync, mkdirSync, rmSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { CorruptStateError } from "../../actors/errors.ts";
import { openDatabase, type SqliteDatabase } from "./sqlite-driver.ts";
import { createTables, prepareTables, type Synchronous } from "./sqlite-schema.ts";

/** How a connection is set up. */
export interface ConnectionSettings {
  readonly path: string;
  readonly synchronous: Synchronous;
  /** How long SQLite itself blocks the thread for a lock. */
  readonly lockWaitMs: number;
}

/** The path that means a database in memory. */
export const IN_MEMORY = ":memory:";

function openPrepared(path: string, settings: ConnectionSettings): SqliteDatabase {
  const database = openDatabase(path);
  try {
    prepareTables(database, settings);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/**
 * The file is made under another name and linked into place whole. So an empty file at `path` was cut
 * short by something else, and a process killed while creating leaves nothing half made there.
 */
function createFile(settings: ConnectionSettings): void {
  mkdirSync(dirname(settings.path), { recursive: true, mode: 0o700 });
  const fresh = `${settings.path}.${randomUUID()}.new`;
  try {
    // Still in the rollback journal's mode, so that all of it is in the one file that is linked.
    const database = openDatabase(fresh);
    createTables(database, fresh);
    database.close();
    linkSync(fresh, settings.path);
  } catch (error) {
    // Another process was faster: its file is as good as ours.
    if (!existsSync(settings.path)) throw error;
  } finally {
    for (const suffix of ["", "-journal"]) rmSync(fresh + suffix, { force: true });
  }
}

/** Opens the database of a store, creating file and tables when there are none. */
export function connect(settings: ConnectionSettings): SqliteDatabase {
  if (settings.path === IN_MEMORY) return openPrepared(IN_MEMORY, settings);
  const path = resolve(settings.path);
  if (!existsSync(path)) createFile({ ...settings, path });
  if (statSync(path).size === 0)
    throw new CorruptStateError({ location: path, reason: "the file is empty" });
  return openPrepared(path, settings);
}
