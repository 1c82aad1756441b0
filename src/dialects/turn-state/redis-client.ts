/**
 * The Redis clients people bring: ioredis, or one of the shape the original takes (`isOpen`,
 * `connect`, `GET`, `SET`, `DEL`, `quit`), in one shape.
 */
import { connectRedis, type RedisConnection } from "../redis-client.ts";

/** A client with lower-case commands: ioredis. */
export type IoredisClient = Pick<RedisConnection, "get" | "set" | "del" | "quit"> &
  Partial<Pick<RedisConnection, "eval">>;

/** A client with upper-case commands: node-redis, or anything that offers these. */
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

/** The commands that are used. */
export interface RedisCommands {
  get(key: string): Promise<string | null>;
  set(key: string, value: string): Promise<unknown>;
  del(key: string): Promise<unknown>;
  /** Absent when the client cannot run scripts. */
  script?: ((text: string, keys: string[], args: string[]) => Promise<unknown>) | undefined;
}

/** A client, opened when it is first needed. */
export interface LazyRedis {
  /** The same for all that speak to the same server. */
  readonly place: string;
  commands(): Promise<RedisCommands>;
  /** Ends the connection if it is ours. */
  close(): Promise<void>;
}

/** A connection of our own; a failed attempt to connect is made again by the next call. */
export function redisFromUrl(url: string): LazyRedis {
  let connecting: Promise<RedisConnection> | undefined;
  return {
    place: `redis ${url}`,
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

/** Somebody's client. It is opened if need be, and ended only when `ownsClient`. */
export function redisFromClient(
  client: RedisClient,
  place: string,
  ownsClient: boolean,
): LazyRedis {
  hearErrors(client);
  const commands = isCommandClient(client) ? upperCommands(client) : ioredisCommands(client);
  let connecting: Promise<unknown> | undefined;
  return {
    place: `redis ${place}`,
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

/** A server that is gone has nothing to say goodbye to. */
async function quit(client: Pick<RedisClient, "quit">, otherwise: () => void): Promise<void> {
  try {
    await client.quit();
  } catch {
    otherwise();
  }
}

const observed = new WeakSet<object>();

/**
 * A client nobody listens to ends the process when its connection drops. The commands that fail
 * with it are what reports it.
 */
function hearErrors(client: object): void {
  const listen: unknown = Reflect.get(client, "on");
  if (typeof listen !== "function" || observed.has(client)) return;
  observed.add(client);
  Reflect.apply(listen, client, ["error", nothing]);
}

function nothing(): void {
  // The command that failed with the connection has told its caller.
}
