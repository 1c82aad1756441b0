/**
 * Opens a store by its address. Each kind's module, and with it its driver, is loaded when it is
 * named. Addresses can contain a password, so no message repeats one.
 */
import { existsSync } from "node:fs";
import { isTypeError } from "../../actors/realm.ts";
import type { Logger } from "../../actors/protocol.ts";
import { memoryStore } from "../stores/memory/store.ts";
import type { StateStore } from "../stores/contract.ts";
import { UsageError } from "./options.ts";

const FORMS = "sqlite:PATH, file:DIRECTORY, redis://…, rediss://…, postgres://… or postgresql://…";

/** A store that is only read must exist: a misspelt path would else be a new, empty store. */
export type Presence = "must exist" | "may be made";

/** Who is notified when a store is opened. */
export interface Notices {
  /** Gets a line about tables that do not exist. */
  readonly warn: (line: string) => void;
  /** The logger of the store; default the console. */
  readonly logger?: Logger | undefined;
}

/**
 * Opens the store at `address`. Rejects with `UsageError` for an invalid one. Tables that do not
 * exist and must not be made count as an empty store, which is reported.
 */
export async function openStore(
  address: string,
  presence: Presence,
  { warn, logger }: Notices = { warn: () => undefined },
): Promise<StateStore> {
  try {
    const store = await make(address, presence, logger);
    if (presence === "may be made" || !/^postgres(?:ql)?:/.test(address)) return store;
    return await orEmpty(store, () =>
      warn(`${placeOf(address)} has no tables and counts as empty; copy makes those of its target`),
    );
  } catch (error) {
    // A store's message about its options.
    if (isTypeError(error)) throw new UsageError(error.message, { cause: error });
    throw error;
  }
}

async function orEmpty(store: StateStore, warn: () => void): Promise<StateStore> {
  try {
    await store.load(["any"]);
    return store;
  } catch (error) {
    await store.close();
    const { lacksAllTables } = await import("../stores/postgres/errors.ts");
    if (!lacksAllTables(error)) throw error;
    warn();
    return memoryStore();
  }
}

async function make(
  address: string,
  presence: Presence,
  logger: Logger | undefined,
): Promise<StateStore> {
  const [, scheme, rest] = /^([a-z]+):(.+)$/s.exec(address) ?? [];
  if (scheme === undefined || rest === undefined)
    throw new UsageError(`a store is written as ${FORMS}`);
  switch (scheme) {
    case "sqlite": {
      const path = localPath(rest, presence);
      return (await import("../stores/sqlite/store.ts")).sqliteStore({ path, logger });
    }
    case "file": {
      const dir = localPath(rest, presence);
      return (await import("../stores/file/store.ts")).fileStore({ dir });
    }
    case "redis":
    case "rediss": {
      const { url, name } = splitName(address);
      const { redisStore } = await import("../stores/redis/store.ts");
      return redisStore({ url, logger, ...(name === undefined ? {} : { keyPrefix: name }) });
    }
    case "postgres":
    case "postgresql": {
      const { url, name } = splitName(address);
      const { postgresStore } = await import("../stores/postgres/store.ts");
      const migrate = presence === "may be made";
      return postgresStore({
        url,
        migrate,
        logger,
        ...(name === undefined ? {} : { table: name }),
      });
    }
    default:
      throw new UsageError(`unknown kind of store "${scheme}"; a store is written as ${FORMS}`);
  }
}

/** The url of a server, and the prefix of its keys or tables if one follows a `#`. */
export function splitName(address: string): {
  readonly url: string;
  readonly name: string | undefined;
} {
  const [url = "", name, ...rest] = address.split("#");
  if (rest.length > 0 || name?.includes("@") === true)
    throw new UsageError("a # in a password is written %23");
  // It easily stands for the default, and would be another prefix.
  if (name === "") throw new UsageError("a name follows the #; leave both out for the default");
  return { url, name };
}

/** The address of a store that was opened, for messages: without user, password and settings. */
export function placeOf(address: string): string {
  if (!/^(?:rediss?|postgres(?:ql)?):/.test(address)) return address;
  const { protocol, host, pathname, hash } = new URL(address);
  return `${protocol}//${host}${pathname}${hash}`;
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
