/**
 * A store's records used by hand, as in an application without this library: one row per key with
 * a version and a JSON text. All contenders that load and save stand on it, on every store alike.
 */
import { postgresRecords } from "./postgres-records.ts";
import { redisRecords } from "./redis-records.ts";
import { found, type Records, type Row } from "./rows.ts";
import { openBare, type Site } from "./site.ts";

/** Opens the records of a place; every caller has connections of its own. */
export async function recordsAt(site: Site): Promise<Records> {
  const { store, path } = site;
  if (store === "sqlite") return sqliteRecords(`${path}-bare`);
  if (store === "redis") return redisRecords(site);
  if (store === "postgres") return postgresRecords(site);
  throw new Error(`${store} is not used by hand here`);
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
