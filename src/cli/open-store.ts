/**
 * From the address of a store to the store. Each kind's module, and with it its driver, is loaded
 * when it is named. Addresses can hold a password, so no message repeats one.
 */
import { existsSync } from "node:fs";
import type { StateStore } from "../stores/store.ts";
import { UsageError } from "./options.ts";

const FORMS = "sqlite:PATH, file:DIRECTORY, redis://…, rediss://…, postgres://… or postgresql://…";

/** A place that is only read must be there: a misspelt path would else be a new, empty store. */
export type Presence = "must exist" | "may be made";

/** Opens the store at `address`. Throws `UsageError` for one that cannot be meant. */
export async function openStore(address: string, presence: Presence): Promise<StateStore> {
  const [, scheme, rest] = /^([a-z]+):(.+)$/s.exec(address) ?? [];
  if (scheme === undefined || rest === undefined)
    throw new UsageError(`a store is written as ${FORMS}`);
  switch (scheme) {
    case "sqlite": {
      const path = localPath(rest, presence);
      return (await import("../stores/sqlite.ts")).sqliteStore({ path });
    }
    case "file": {
      const dir = localPath(rest, presence);
      return (await import("../stores/file.ts")).fileStore({ dir });
    }
    case "redis":
    case "rediss": {
      const { url, name } = splitName(address);
      const { redisStore } = await import("../stores/redis.ts");
      return redisStore({ url, ...(name === undefined ? {} : { keyPrefix: name }) });
    }
    case "postgres":
    case "postgresql": {
      const { url, name } = splitName(address);
      const { postgresStore } = await import("../stores/postgres.ts");
      return postgresStore({ url, ...(name === undefined ? {} : { table: name }) });
    }
    default:
      throw new UsageError(`unknown kind of store "${scheme}"; a store is written as ${FORMS}`);
  }
}

/** The url of a server, and what begins its keys or tables if that follows a `#`. */
function splitName(address: string): { readonly url: string; readonly name: string | undefined } {
  const [url = "", ...rest] = address.split("#");
  return { url, name: rest.length === 0 ? undefined : rest.join("#") };
}

function localPath(path: string, presence: Presence): string {
  if (presence === "must exist" && !existsSync(path))
    throw new UsageError(`there is no store at ${path}`);
  return path;
}
