/**
 * The part of an ioredis client that is used here, and making one from a URL. The package is loaded
 * when a client is made, not before, so that nobody needs it who does not use Redis.
 */
import { StoreUnavailableError } from "../../actors/errors.ts";

/** Milliseconds until a command without an answer is given up. */
const COMMAND_TIMEOUT_MS = 10_000;
const CONNECT_TIMEOUT_MS = 5_000;
/** Reconnections a waiting command outlives. */
const RETRIES_PER_COMMAND = 2;

/** An argument of a command. */
export type RedisArgument = string | number;

/** Commands that are sent together and run without others in between. */
export interface RedisBatch {
  call(command: string, ...args: RedisArgument[]): RedisBatch;
  exec(): Promise<[error: Error | null, reply: unknown][] | null>;
}

/** An ioredis client, or anything that offers this much of one. */
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

/**
 * Makes a client of a URL; it connects when it is used. Numbers in its replies are texts, so that
 * 64 bits stay exact. Rejects with `StoreUnavailableError` when ioredis is not installed.
 */
export async function connectRedis(url: string): Promise<RedisClient> {
  try {
    const { Redis } = await import("ioredis");
    const client = new Redis(url, {
      lazyConnect: true,
      stringNumbers: true,
      autoResendUnfulfilledCommands: false, // A command whose answer was lost is not run twice.
      connectTimeout: CONNECT_TIMEOUT_MS,
      commandTimeout: COMMAND_TIMEOUT_MS,
      maxRetriesPerRequest: RETRIES_PER_COMMAND,
    });
    // Each call says that it failed; without a listener a lost connection would end the process.
    client.on("error", () => undefined);
    return client;
  } catch (cause) {
    throw new StoreUnavailableError("a Redis URL needs the package ioredis, version 6 or later", {
      cause,
    });
  }
}
