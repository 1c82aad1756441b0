/**
 * Chooses the search of a Redis server: its own search module when that is new enough, else an
 * index in this process.
 */
import type { Reply } from "./command.ts";
import type { RedisConnection } from "./redis-connection.ts";
import type { RedisIndexes } from "./redis-index.ts";
import { LocalIndexes } from "./redis-local-index.ts";
import { ModuleIndexes } from "./redis-module-index.ts";

/** The oldest supported search module. The one before it, `ft`, indexes nothing by itself. */
const MODULE_VERSION_MIN = 20_000;

/** Selects the indexes by the server's modules. */
export async function openIndexes(connection: RedisConnection): Promise<RedisIndexes> {
  const version = await searchModuleVersion(connection);
  return version >= MODULE_VERSION_MIN
    ? new ModuleIndexes(connection, version)
    : new LocalIndexes(connection);
}

/** The version of the module `search`; 0 when there is none, or the client may not list modules. */
async function searchModuleVersion(connection: RedisConnection): Promise<number> {
  let modules: Reply;
  try {
    modules = await connection.send("MODULE", "LIST");
  } catch {
    return 0; // The client may not list modules, so it cannot use them either.
  }
  return moduleVersion(modules);
}

/** Reads the reply of `MODULE LIST`. */
export function moduleVersion(modules: Reply): number {
  for (const module of Array.isArray(modules) ? modules : []) {
    const fields: readonly Reply[] = Array.isArray(module) ? module : [];
    const valueOf = (name: string): Reply => fields[fields.indexOf(name) + 1] ?? null;
    if (valueOf("name") === "search") return Number(valueOf("ver"));
  }
  return 0;
}
