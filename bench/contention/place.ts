/** Where the records of a bench are kept: a fresh place for each run, in a directory that goes. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { StateStore } from "../../src/stores/store.ts";
import type { SqliteDatabase } from "../../src/stores/sqlite-driver.ts";
import { fileStore, memoryStore, openDatabase, sqliteStore } from "../subject.ts";

/** The stores that live in this process. */
export const STORE_NAMES = ["memory", "sqlite", "file"] as const;

/** One of them. */
export type StoreName = (typeof STORE_NAMES)[number];

/** A fresh place for records. */
export interface Place {
  readonly store: StateStore;
  /** True when the records must be there after `store` was closed. */
  readonly durable: boolean;
  /** Opens the place again, as after a restart; the same store when it is not durable. */
  readonly reopen: () => StateStore;
  /** A path that is free. */
  readonly path: string;
}

const root = mkdtempSync(join(tmpdir(), "holdfast-bench-"));
process.once("exit", () => rmSync(root, { recursive: true, force: true }));
let made = 0;

/** Makes a place; nothing of another run is in it. */
export function createPlace(name: StoreName): Place {
  const path = join(root, `${name}-${(made += 1)}`);
  if (name === "memory") {
    const store = memoryStore();
    return { store, durable: false, reopen: () => store, path };
  }
  const open = (): StateStore => {
    return name === "sqlite" ? sqliteStore({ path }) : fileStore({ dir: path });
  };
  return { store: open(), durable: true, reopen: open, path };
}

/** The same place with a store that answers `ms` later than it could, as over a network. */
export function awayBy(ms: number, place: Place): Place {
  const { store } = place;
  const later = async <T>(work: () => Promise<T>): Promise<T> => {
    await sleep(ms);
    return work();
  };
  const away: StateStore = {
    name: store.name,
    supports: { ...store.supports, exclusive: false },
    load: (keys) => later(() => store.load(keys)),
    commit: (writes, options) => later(() => store.commit(writes, options)),
    list: (query) => store.list(query),
    close: () => store.close(),
  };
  return { ...place, store: away };
}

/** An open database with the settings of the store, and one table of one row per key. */
export function openBare(path: string): SqliteDatabase {
  const database = openDatabase(path);
  database.prepare("PRAGMA journal_mode = WAL").get();
  database.exec("PRAGMA synchronous = FULL");
  database.exec(
    "CREATE TABLE IF NOT EXISTS record (key TEXT PRIMARY KEY, version INTEGER, state TEXT)",
  );
  return database;
}
