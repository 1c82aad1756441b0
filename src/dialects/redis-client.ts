/** The Redis clients of the dialects: the methods in use, and how a client is opened. */
import { StoreUnavailableError } from "../../actors/errors.ts";
import { hasMethods } from "../../actors/scope/options.ts";
import { letExit, loadDriver } from "../stores/redis/driver.ts";
import { FollowingRedis } from "../stores/redis/follow.ts";

/** An argument of a command. */
export type RedisArgument = string | number;

/** Commands that are sent together and run without others in between. */
export interface RedisBatch {
  call(command: string, ...args: RedisArgument[]): RedisBatch;
  exec(): Promise<[error: Error | null, reply: unknown][] | null>;
}

/** An ioredis client, or any object with these methods. */
export interface RedisClient {
  call(command: string, ...args: RedisArgument[]): Promise<unknown>;
  multi(): RedisBatch;
  readonly options?: {
    readonly keyPrefix?: string | undefined;
    readonly stringNumbers?: boolean | undefined;
  };
  on(event: "error", listener: (error: unknown) => void): unknown;
  disconnect(): void;
}

/** True for an object with the methods of a `RedisClient`. */
export function isRedisClient(client: unknown): client is RedisClient {
  return hasMethods(client, ["call", "multi"]);
}

/** The methods in use of an ioredis client. */
export interface RedisConnection {
  get(key: string): Promise<string | null>;
  set(key: string, value: string): Promise<unknown>;
  del(key: string): Promise<unknown>;
  eval(script: string, keyCount: number, ...keysAndArguments: string[]): Promise<unknown>;
  connect(): Promise<unknown>;
  quit(): Promise<unknown>;
  disconnect(): void;
  on(event: "error", listener: (error: Error) => void): unknown;
}

/** Milliseconds after which a command without a reply rejects. */
const COMMAND_TIMEOUT_MS = 10_000;
const CONNECT_TIMEOUT_MS = 5_000;

/**
 * Connects to Redis. A connection that drops later is made again; a command that was pending then
 * rejects instead of being sent twice. When the server became a replica, the connection moves to
 * the new primary, as redis/follow.ts describes. Rejects with `StoreUnavailableError` when the
 * server cannot be reached or ioredis is not installed. `stringNumbers` returns numbers in replies
 * as texts, so that 64 bits stay exact.
 */
export async function connectRedis(
  url: string,
  { stringNumbers = false }: { readonly stringNumbers?: boolean } = {},
): Promise<RedisConnection & RedisClient> {
  const driver = await loadDriver();
  const client = new driver.Redis(url, {
    stringNumbers,
    lazyConnect: true,
    autoResendUnfulfilledCommands: false,
    commandTimeout: COMMAND_TIMEOUT_MS,
    connectTimeout: CONNECT_TIMEOUT_MS,
    // With 0 a lost connection rejects its commands at once; otherwise they would hang.
    maxRetriesPerRequest: 0,
  });
  letExit(client);
  const connection = new FollowingRedis(client);
  // Without a listener a dropped connection is printed; its failed commands report it.
  connection.on("error", () => undefined);
  try {
    await connection.connect();
    return connection;
  } catch (cause) {
    connection.disconnect();
    throw new StoreUnavailableError("the Redis server cannot be reached", { cause });
  }
}
