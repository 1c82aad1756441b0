/** Commands to Redis: replies as texts, failures by their codes. */
import { types } from "node:util";
import { isHoldfastError } from "../../../actors/errors.ts";
import { isError } from "../../../actors/realm.ts";
import type { RedisArgument, RedisClient } from "../redis-client.ts";
import type { Reply } from "./command.ts";
import { Failure, replyFailure } from "./error.ts";

/** One command with its key among its arguments. */
export type RedisCommand = readonly [name: string, ...args: RedisArgument[]];

/** A client, and how its replies are read. */
export class RedisConnection {
  readonly client: RedisClient;

  constructor(client: RedisClient) {
    this.client = client;
  }

  /** The client's own prefix of every key. */
  get keyPrefix(): string {
    return this.client.options?.keyPrefix ?? "";
  }

  /** True when numbers in replies are exact. */
  get isExact(): boolean {
    return this.client.options?.stringNumbers === true;
  }

  async send(...[name, ...args]: RedisCommand): Promise<Reply> {
    try {
      return toReply(await this.client.call(name, ...args));
    } catch (error) {
      throw failureOf(error);
    }
  }

  /**
   * Sends commands that run without others in between; resolves to all replies, or rejects with
   * one.
   */
  async sendAll(commands: readonly RedisCommand[]): Promise<Reply[]> {
    const results = await this.#exec(commands);
    return results.map(([error, reply]) => {
      if (error !== null) throw failureOf(error);
      return toReply(reply);
    });
  }

  /** Runs a script on one key. */
  script(script: string, key: string, args: readonly RedisArgument[]): Promise<Reply> {
    return this.send("EVAL", script, 1, key, ...args);
  }

  async #exec(commands: readonly RedisCommand[]): Promise<[Error | null, unknown][]> {
    const batch = this.client.multi();
    for (const [name, ...args] of commands) batch.call(name, ...args);
    try {
      return (await batch.exec()) ?? [];
    } catch (error) {
      throw failureOf(error);
    }
  }
}

/** A reply with its numbers as texts. A map of protocol version 3 becomes a list. */
function toReply(value: unknown): Reply {
  if (value === null || value === undefined) return null;
  if (Array.isArray(value)) return value.map(toReply);
  if (types.isMap(value)) return [...value].flat().map(toReply);
  if (typeof value === "object") return Object.entries(value).flat().map(toReply);
  return `${value as string | number | bigint | boolean}`; // A reply has no other types.
}

function failureOf(error: unknown): Failure | Error {
  if (!isError(error)) return new Failure("REDIS", "the Redis client failed");
  if (error instanceof Failure || isHoldfastError(error)) return error;
  if (error.name === "ReplyError") return replyFailure(error.message, error);
  return new Failure("STORE_UNAVAILABLE", `Redis cannot be reached: ${error.message}`, {
    cause: error,
  });
}
