/** Where records of a bench lie: said in plain data, so that another process can go there too. */
import type { Logger } from "../../actors/protocol.ts";
import type { StateStore } from "../../src/stores/contract.ts";
import type { Processes } from "../../src/stores/sqlite/build.ts";
import type { SqliteDatabase } from "../../src/stores/sqlite/driver.ts";
import {
  fileStore,
  isWalSound,
  memoryStore,
  openDatabase,
  postgresStore,
  redisStore,
  sqliteStore,
  sqliteVersion,
} from "../subject.ts";

/** The stores that live in this process. */
export const EMBEDDED_STORES = ["memory", "sqlite", "file"] as const;

/** The stores a bench can measure on. */
export const STORE_NAMES = ["memory", "sqlite", "file", "redis", "postgres"] as const;

/** One of them. */
export type StoreName = (typeof STORE_NAMES)[number];

/** The name of a store among those of a bench; throws for any other. */
export function storeName(name: string, among: readonly StoreName[] = STORE_NAMES): StoreName {
  const found = among.find((store) => store === name);
  if (found !== undefined) return found;
  throw new Error(`no store is called ${name}; there are: ${among.join(", ")}`);
}

/** The stores in titles, with what is promised of an answered save; servers say theirs apart. */
export const WAYS: Readonly<Record<StoreName, string>> = {
  memory: "memory",
  sqlite: "sqlite, synchronous FULL",
  file: "file, fsync",
  redis: "redis",
  postgres: "postgres",
};

/** A place in a store. */
export interface Site {
  readonly store: StoreName;
  /** A free path, the start of all keys, or the start of all names of tables. */
  readonly path: string;
  /** The address of the server; empty for a store without one. */
  readonly url: string;
  /** How many processes may open the file of sqlite. */
  readonly processes: Processes;
}

/** The head of a report says what a server promises; each store saying it again would bury it. */
const logger: Logger = { warn: () => undefined, error: (message) => console.error(message) };

/** The library's store there. */
export function storeAt({ store, path, url, processes }: Site): StateStore {
  switch (store) {
    case "memory":
      return memoryStore();
    case "sqlite":
      return sqliteStore({ path, processes, logger });
    case "file":
      return fileStore({ dir: path });
    case "redis":
      return redisStore({ url, keyPrefix: path, logger });
    case "postgres":
      return postgresStore({ url, table: path, logger });
    default:
      throw new Error(`no store is called ${String(store satisfies never)}`);
  }
}

/** The journal mode of a new file of the store with this SQLite, as `stores/sqlite/setup.ts` has it. */
function journalOf(database: SqliteDatabase, processes: Processes): "WAL" | "TRUNCATE" {
  return processes === "one" || isWalSound(sqliteVersion(database)) ? "WAL" : "TRUNCATE";
}

/** A way to use a file of sqlite, and its journal in words. */
export interface FileUse {
  readonly processes: Processes;
  readonly journal: string;
}

/** The usual way, and the one of a single process where that has another journal. */
export function fileUses(): FileUse[] {
  const database = openDatabase(":memory:");
  const isWal = journalOf(database, "several") === "WAL";
  database.close();
  const journal = isWal ? "WAL" : "rollback journal";
  const uses: FileUse[] = [{ processes: "several", journal }];
  if (!isWal) uses.push({ processes: "one", journal: "WAL, one process" });
  return uses;
}

/** An open database with the settings of the store, and one table of one row per key. */
export function openBare(path: string, processes: Processes = "several"): SqliteDatabase {
  const database = openDatabase(path);
  database.prepare("PRAGMA busy_timeout = 10000").get();
  if (processes === "one") database.prepare("PRAGMA locking_mode = EXCLUSIVE").get();
  database.prepare(`PRAGMA journal_mode = ${journalOf(database, processes)}`).get();
  database.exec("PRAGMA synchronous = FULL");
  database.exec(
    "CREATE TABLE IF NOT EXISTS record (key TEXT PRIMARY KEY, version INTEGER, state TEXT)",
  );
  return database;
}
