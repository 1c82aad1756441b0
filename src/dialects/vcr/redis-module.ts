/**
 * Chooses how a Redis server is searched: by its own search module where that is new enough, else
 * by an index in this process.
 */
import type { Reply } from "./command.ts";
import type { RedisConnection } from "./redis-connection.ts";
import type { RedisIndexes } from "./redis-index.ts";
import { LocalIndexes } from "./redis-local-index.ts";
import { ModuleIndexes } from "./redis-module-index.ts";

/** The oldest search module in use. The one before it, `ft`, indexes nothing by itself. */
const MODULE_VERSION_MIN = 20_000;

/** Looks at what the server has. */
export async function openIndexes(connection: RedisConnection): Promise<RedisIndexes> {
  const version = await searchModuleVersion(connection);
  return version >= MODULE_VERSION_MIN
    ? new ModuleIndexes(connection, version)
    : new LocalIndexes(connection);
}

/** The version of the module `search`; 0 when there is none, or none that may be asked about. */
async function searchModuleVersion(connection: RedisConnection): Promise<number> {
  let modules: Reply;
  try {
    modules = await connection.send("MODULE", "LIST");
  } catch {
    return 0; // The user may not ask: then he has no business with modules either.
  }
  return moduleVersion(modules);
}

/** Reads the answer to `MODULE LIST`. */
export function moduleVersion(modules: Reply): number {
  for (const module of Array.isArray(modules) ? modules : []) {
    const fields: readonly Reply[] = Array.isArray(module) ? module : [];
    const valueOf = (name: string): Reply => fields[fields.indexOf(name) + 1] ?? null;
    if (valueOf("name") === "search") return Number(valueOf("ver"));
  }
  return 0;
}
