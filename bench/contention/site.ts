/** Where records of a bench lie: said in plain data, so that another process can go there too. */
import type { Logger } from "../../actors/protocol.ts";
import type { StateStore } from "../../src/stores/contract.ts";
import type { SqliteDatabase } from "../../src/stores/sqlite/driver.ts";
import {
  fileStore,
  memoryStore,
  openDatabase,
  postgresStore,
  redisStore,
  sqliteStore,
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
}

/** The head of a report says what a server promises; each store saying it again would bury it. */
const logger: Logger = { warn: () => undefined, error: (message) => console.error(message) };

/** The library's store there. */
export function storeAt({ store, path, url }: Site): StateStore {
  switch (store) {
    case "memory":
      return memoryStore();
    case "sqlite":
      return sqliteStore({ path });
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

/** An open database with the settings of the store, and one table of one row per key. */
export function openBare(path: string): SqliteDatabase {
  const database = openDatabase(path);
  database.prepare("PRAGMA busy_timeout = 10000").get();
  database.prepare("PRAGMA journal_mode = WAL").get();
  database.exec("PRAGMA synchronous = FULL");
  database.exec(
    "CREATE TABLE IF NOT EXISTS record (key TEXT PRIMARY KEY, version INTEGER, state TEXT)",
  );
  return database;
}
