/**
 * A store's records used by hand, as in an application without this library: one row per key with
 * a version and a JSON text. All contenders that load and save stand on it, on every store alike.
 */
import { openBare, type Site } from "./site.ts";

/** A record as it was read. */
export interface Row {
  readonly version: number;
  readonly text: string;
}

/** Records of a place. */
export interface Records {
  /** Makes records of version 1. */
  create(keys: readonly string[], text: string): Promise<void>;
  read(key: string): Promise<Row>;
  /** Writes when the record still has that version, which grows by one; tells whether it did. */
  replace(key: string, expected: number, text: string): Promise<boolean>;
  /** Writes over whatever is there. */
  overwrite(key: string, text: string): Promise<void>;
  close(): Promise<void>;
}

/** Opens the records of a place; every caller has connections of its own. */
export async function recordsAt(site: Site): Promise<Records> {
  const { store, path } = site;
  if (store === "sqlite") return sqliteRecords(`${path}-bare`);
  // Loaded when asked for: a bench of an embedded store needs no driver.
  if (store === "redis") return (await import("./redis-records.ts")).redisRecords(site);
  if (store === "postgres") return (await import("./postgres-records.ts")).postgresRecords(site);
  throw new Error(`nobody uses ${store} by hand here`);
}

function sqliteRecords(path: string): Records {
  const database = openBare(path);
  const insert = database.prepare("INSERT INTO record VALUES (?, 1, ?)");
  const select = database.prepare("SELECT version, state AS text FROM record WHERE key = ?");
  const update = database.prepare(
    "UPDATE record SET version = version + 1, state = ? WHERE key = ? AND version = ?",
  );
  const overwrite = database.prepare("UPDATE record SET state = ? WHERE key = ?");
  return {
    async create(keys, text) {
      database.exec("BEGIN IMMEDIATE");
      for (const key of keys) insert.run(key, text);
      database.exec("COMMIT");
    },
    async read(key) {
      // The query selects these two columns.
      return found(select.get(key) as Row | undefined);
    },
    async replace(key, expected, text) {
      return Number(update.run(text, key, expected).changes) === 1;
    },
    async overwrite(key, text) {
      overwrite.run(text, key);
    },
    async close() {
      database.close();
    },
  };
}

/** The row, which must be there. */
export function found(row: Row | undefined): Row {
  if (row === undefined) throw new Error("a record has vanished");
  return row;
}
