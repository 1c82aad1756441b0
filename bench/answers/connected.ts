/** A store of the library, and bare reads of its records' versions on the connection it works on. */
import type { StateStore } from "../../src/stores/contract.ts";
import type { Site } from "../contention/site.ts";
import { memoryStore, openDatabase, postgresStore, redisStore, sqliteStore } from "../subject.ts";

/** A store with its connection. */
export interface Connected {
  readonly store: StateStore;
  /** The stored version of the session `id`, asked of the driver; 0 when there is none. */
  readonly version: (id: string) => number | Promise<number>;
  /** Ends the connection; the store is closed before. */
  readonly end: () => unknown;
}

/** The key of a session in the library's store. */
export function keyOf(id: string): string {
  return `holdfast/session/${id}`;
}

/** The head of a report says what a server promises. */
const logger = { warn: () => undefined, error: (message: string) => console.error(message) };

/** Opens the store of a site with a connection that both use. */
export async function connect(site: Site): Promise<Connected> {
  const { store } = site;
  if (store === "memory") return inMemory();
  if (store === "sqlite") return onSqlite(site);
  if (store === "redis") return onRedis(site);
  if (store === "postgres") return onPostgres(site);
  throw new Error(`no version is read bare on ${store}`);
}

/** Without a driver below: the bare read is the store's own. */
function inMemory(): Connected {
  const store = memoryStore();
  return {
    store,
    version: async (id) => {
      const [record] = await store.load([keyOf(id)]);
      return record?.version ?? 0;
    },
    end: () => undefined,
  };
}

async function onSqlite({ path }: Site): Promise<Connected> {
  const database = openDatabase(path);
  const store = sqliteStore({ database });
  await store.load([keyOf("none")]); // The first use makes the table.
  const select = database.prepare("SELECT version FROM holdfast_record WHERE key = ?");
  return {
    store,
    version: (id) => {
      // The query selects one column of a number.
      const row = select.get(keyOf(id)) as { version: number } | undefined;
      return row?.version ?? 0;
    },
    end: () => database.close(),
  };
}

async function onRedis({ url, path }: Site): Promise<Connected> {
  const { Redis } = await import("ioredis");
  const client = new Redis(url);
  return {
    store: redisStore({ client, keyPrefix: path, logger }),
    version: async (id) => Number(await client.hget(`${path}{${keyOf(id)}}`, "v")),
    end: () => client.quit(),
  };
}

async function onPostgres({ url, path }: Site): Promise<Connected> {
  const { Pool } = await import("pg");
  const pool = new Pool({ connectionString: url });
  // Idle connections may be cut when the bench removes its database; a query in work rejects.
  pool.on("error", () => undefined);
  const text = `SELECT version FROM ${path}_record WHERE key = $1`;
  return {
    store: postgresStore({ pool, table: path, logger }),
    version: async (id) => {
      // A bigint arrives as text.
      const { rows } = await pool.query<{ version: string }>({
        name: "version",
        text,
        values: [keyOf(id)],
      });
      return Number(rows[0]?.version ?? 0);
    },
    end: () => pool.end(),
  };
}
