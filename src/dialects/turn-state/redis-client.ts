/**
 * The supported Redis clients in one shape: ioredis, or a client of the original's shape (`isOpen`,
 * `connect`, `GET`, `SET`, `DEL`, `quit`).
 */
import { hasMethods } from "../../../actors/scope/options.ts";
import { connectRedis, type RedisConnection } from "../redis-client.ts";

/** A client with lower-case commands: ioredis. */
export type IoredisClient = Pick<RedisConnection, "get" | "set" | "del" | "quit"> &
  Partial<Pick<RedisConnection, "eval">>;

/** A client with upper-case commands: node-redis, or any object with these. */
export interface CommandClient {
  readonly isOpen: boolean;
  connect(): Promise<unknown>;
  GET(key: string): Promise<string | null>;
  SET(key: string, value: string): Promise<unknown>;
  DEL(key: string): Promise<unknown>;
  quit(): Promise<unknown>;
  EVAL?(
    script: string,
    options: { readonly keys: string[]; readonly arguments: string[] },
  ): Promise<unknown>;
}

/** A client of either shape. */
export type RedisClient = IoredisClient | CommandClient;

/** True for an object with the commands of either shape. */
export function isRedisClient(client: unknown): client is RedisClient {
  return hasMethods(client, ["get", "set", "del"]) || hasMethods(client, ["GET", "SET", "DEL"]);
}

/** The commands in use. */
export interface RedisCommands {
  get(key: string): Promise<string | null>;
  set(key: string, value: string): Promise<unknown>;
  del(key: string): Promise<unknown>;
  /** Absent when the client cannot run scripts. */
  script?: ((text: string, keys: string[], args: string[]) => Promise<unknown>) | undefined;
}

/** A client, opened when it is first needed. */
export interface LazyRedis {
  /** Equal for all clients of one server. */
  readonly location: string;
  commands(): Promise<RedisCommands>;
  /** Ends the connection if it was made here. */
  close(): Promise<void>;
}

/** A connection made here. After a failed attempt, the next call connects again. */
export function redisFromUrl(url: string): LazyRedis {
  let connecting: Promise<RedisConnection> | undefined;
  return {
    location: `redis ${url}`,
    async commands() {
      connecting ??= connectRedis(url).catch((error: unknown) => {
        connecting = undefined;
        throw error;
      });
      return ioredisCommands(await connecting);
    },
    async close() {
      const connection = await connecting?.catch(nothing);
      if (connection !== undefined) await quit(connection, () => connection.disconnect());
    },
  };
}

/** A client of the caller. It is opened if necessary, and ended only with `ownsClient`. */
export function redisFromClient(
  client: RedisClient,
  location: string,
  ownsClient: boolean,
): LazyRedis {
  ignoreErrors(client);
  const commands = isCommandClient(client) ? upperCommands(client) : ioredisCommands(client);
  let connecting: Promise<unknown> | undefined;
  return {
    location: `redis ${location}`,
    async commands() {
      if (isCommandClient(client) && !client.isOpen) {
        connecting ??= client.connect().finally(() => {
          connecting = undefined;
        });
        await connecting;
      }
      return commands;
    },
    async close() {
      const isOpen = !isCommandClient(client) || client.isOpen;
      if (ownsClient && isOpen) await quit(client, nothing);
    },
  };
}

function isCommandClient(client: RedisClient): client is CommandClient {
  return "GET" in client && typeof client.GET === "function";
}

function ioredisCommands(client: IoredisClient): RedisCommands {
  return {
    get: (key) => client.get(key),
    set: (key, value) => client.set(key, value),
    del: (key) => client.del(key),
    script:
      client.eval === undefined
        ? undefined
        : async (text, keys, args) => client.eval?.(text, keys.length, ...keys, ...args),
  };
}

function upperCommands(client: CommandClient): RedisCommands {
  return {
    get: (key) => client.GET(key),
    set: (key, value) => client.SET(key, value),
    del: (key) => client.DEL(key),
    script:
      client.EVAL === undefined
        ? undefined
        : async (text, keys, args) => client.EVAL?.(text, { keys, arguments: args }),
  };
}

/** A QUIT fails when the server cannot be reached; that is ignored. */
async function quit(client: Pick<RedisClient, "quit">, otherwise: () => void): Promise<void> {
  try {
    await client.quit();
  } catch {
    otherwise();
  }
}

const observed = new WeakSet<object>();

/**
 * Without an error listener, a dropped connection would end the process. The failed commands report
 * the error.
 */
function ignoreErrors(client: object): void {
  const listen: unknown = Reflect.get(client, "on");
  if (typeof listen !== "function" || observed.has(client)) return;
  observed.add(client);
  Reflect.apply(listen, client, ["error", nothing]);
}

function nothing(): void {
  // The command that failed with the connection has rejected with the error.
}
