/** Calls of one store to its server: sent once, or retried while the server is unavailable. */
import { performance } from "node:perf_hooks";
import { judgeRedis } from "./errors.ts";
import { RedisHandshake } from "./handshake.ts";
import { RedisConnection } from "./connection.ts";
import type { RedisSettings } from "./options.ts";
import { type RedisReply, type RedisRequest, sendAll } from "./pipeline.ts";
import { createRepeat, type RetryUntil } from "../shared/retry-until.ts";

const LAST_ATTEMPT_MS = 100;

/** Sends requests; the caller reads the replies. */
export class RedisCalls {
  readonly link: RedisConnection;
  readonly #settings: RedisSettings;
  readonly #handshake: RedisHandshake;
  readonly #repeat: RetryUntil;

  constructor(settings: RedisSettings) {
    const { server, timeoutMs } = settings;
    this.#settings = settings;
    this.#handshake = new RedisHandshake(settings);
    this.link = new RedisConnection({
      ...settings,
      greet: (client) => this.#handshake.greet(client),
    });
    this.#repeat = createRepeat({ timeoutMs, server, judge: judgeRedis(server) });
  }

  /** The longest text that the server accepts; bytes. */
  get bulkBytesMax(): number {
    return this.#handshake.bulkBytesMax;
  }

  /** Sends once; each request has its reply. Rejects only when nothing was sent. */
  readonly sendOnce = (
    requests: readonly RedisRequest[],
    deadline: number,
  ): Promise<RedisReply[]> => {
    const { confirmation } = this.#settings;
    return sendAll(requests, { link: this.link, deadline, confirmation });
  };

  /** Retries an idempotent write until its deadline. */
  write<T>(work: (deadline: number) => Promise<T>): Promise<T> {
    return this.#repeat.write((deadline) => work(lasting(deadline)));
  }

  /** Retries work that changes no record until its deadline. */
  read<T>(work: (deadline: number) => Promise<T>): Promise<T> {
    return this.#repeat.read((deadline) => work(lasting(deadline)));
  }

  /** Values of requests that change no record, retried until all are there. */
  ask(requests: readonly RedisRequest[]): Promise<unknown[]> {
    return this.read(async (deadline) => {
      const route = { link: this.link, deadline, confirmation: undefined };
      const replies = await sendAll(requests, route);
      return replies.map((reply) => {
        if ("error" in reply) throw reply.error;
        return reply.value;
      });
    });
  }
}

/** The last attempt gets time for a reply, which is a better reason than its lack. */
function lasting(deadline: number): number {
  return Math.max(deadline, performance.now() + LAST_ATTEMPT_MS);
}
