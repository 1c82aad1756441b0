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

/** Opens the store at `address`. Rejects with `UsageError` for one that cannot be meant. */
export async function openStore(address: string, presence: Presence): Promise<StateStore> {
  try {
    return await make(address, presence);
  } catch (error) {
    // What a store says of its options.
    if (error instanceof TypeError) throw new UsageError(error.message, { cause: error });
    throw error;
  }
}

async function make(address: string, presence: Presence): Promise<StateStore> {
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
      const migrate = presence === "may be made";
      return postgresStore({ url, migrate, ...(name === undefined ? {} : { table: name }) });
    }
    default:
      throw new UsageError(`unknown kind of store "${scheme}"; a store is written as ${FORMS}`);
  }
}

/** The url of a server, and what begins its keys or tables if that follows a `#`. */
function splitName(address: string): { readonly url: string; readonly name: string | undefined } {
  const [url = "", name, ...rest] = address.split("#");
  if (rest.length > 0 || name?.includes("@") === true)
    throw new UsageError("a # in a password is written %23");
  return { url, name };
}

/** What an address of a server names as the place, for messages; `undefined` for a local store. */
export function serverPlace(address: string): string | undefined {
  if (!/^(?:rediss?|postgres(?:ql)?):/.test(address)) return undefined;
  const { name } = splitName(address);
  return name === undefined ? "the default place" : JSON.stringify(`#${name}`);
}

function localPath(path: string, presence: Presence): string {
  if (path.startsWith("//"))
    throw new UsageError(
      "a path follows the colon at once, without //, as in sqlite:data/store.db",
    );
  if (presence === "must exist" && !existsSync(path))
    throw new UsageError(`there is no store at ${path}`);
  return path;
}
