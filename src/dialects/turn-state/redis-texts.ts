/**
 * Texts in Redis, one string per document.
 *
 *  S1  A read, a write and a removal of one document are one plain command.
 *  S2  A swap is one script: it compares all texts by their SHA-1 and replaces all or none. On a
 *      cluster, where the documents may be on different nodes, it is one script per document. With
 *      a client that cannot run scripts, a swap compares by reading; then only the mailboxes of
 *      this process keep writers apart.
 */
import { createHash } from "node:crypto";
import {
  CommitUnknownError,
  CorruptStateError,
  HoldfastError,
  StoreUnavailableError,
} from "../../../actors/errors.ts";
import { isError } from "../../../actors/realm.ts";
import { createGate, type Closable } from "../../stores/shared/closable.ts";
import type { LazyRedis, RedisCommands } from "./redis-client.ts";
import type { StoredText, TextStorage, TextSwap } from "./text-vault.ts";

const SWAP = `
for i, key in ipairs(KEYS) do
  local now = redis.call('GET', key)
  if (now and redis.sha1hex(now) or '') ~= ARGV[2 * i - 1] then return 0 end
end
for i, key in ipairs(KEYS) do
  if ARGV[2 * i] == '' then redis.call('DEL', key) else redis.call('SET', key, ARGV[2 * i]) end
end
return 1`;

/** The strings of one Redis under one prefix. */
export class RedisTexts implements TextStorage {
  readonly location: string;
  readonly #redis: LazyRedis;
  readonly #prefix: string;
  readonly #closable: Closable = createGate("Redis");
  #isCluster = false;

  constructor(redis: LazyRedis, prefix: string) {
    this.#redis = redis;
    this.#prefix = prefix;
    this.location = `${redis.location} ${prefix}`;
  }

  locate(name: string): string {
    return `Redis key ${this.#prefix}${name}`;
  }

  read(names: readonly string[]): Promise<(StoredText | undefined)[]> {
    return this.#run((redis) => Promise.all(names.map((name) => this.#read(redis, name))));
  }

  async swap(swaps: readonly TextSwap[]): Promise<(StoredText | undefined | null)[]> {
    const made = await this.#run((redis) => this.#swap(redis, swaps));
    return swaps.map(({ next }, index) => (made[index] === true ? storedText(next) : null));
  }

  write(texts: ReadonlyMap<string, string>): Promise<void> {
    return this.#run(async (redis) => {
      await Promise.all([...texts].map(([name, text]) => redis.set(this.#prefix + name, text)));
    });
  }

  remove(names: readonly string[]): Promise<void> {
    return this.#run(async (redis) => {
      await Promise.all(names.map((name) => redis.del(this.#prefix + name)));
    });
  }

  async setAside(name: string, stamp: string): Promise<string> {
    const aside = `${name}:corrupt:${sha1(stamp)}`;
    await this.write(new Map([[aside, stamp]]));
    await this.swap([{ name, expected: stamp, next: undefined }]);
    return this.locate(aside);
  }

  /** Waits for running calls, then ends the connection if it was made here. */
  close(): Promise<void> {
    return this.#closable.close(() => this.#redis.close());
  }

  async #read(redis: RedisCommands, name: string): Promise<StoredText | undefined> {
    try {
      const text = await getTwice(redis, this.#prefix + name);
      return storedText(text ?? undefined);
    } catch (cause) {
      if (!isReply(cause, "WRONGTYPE")) throw cause;
      const fields = { location: this.locate(name), reason: "it is no string" };
      throw new CorruptStateError(fields, { cause });
    }
  }

  async #swap(redis: RedisCommands, swaps: readonly TextSwap[]): Promise<boolean[]> {
    if (redis.script === undefined) return this.#swapByReading(redis, swaps);
    if (!this.#isCluster) {
      try {
        const isMade = await this.#swapByScript(redis, swaps);
        return swaps.map(() => isMade);
      } catch (error) {
        if (!isReply(error, "CROSSSLOT")) throw error;
        this.#isCluster = true; // Nothing was done: the server rejects such a script as a whole.
      }
    }
    const made: boolean[] = [];
    for (const swap of swaps) made.push(await this.#swapByScript(redis, [swap]));
    return made;
  }

  async #swapByScript(redis: RedisCommands, swaps: readonly TextSwap[]): Promise<boolean> {
    const keys = swaps.map(({ name }) => this.#prefix + name);
    const args = swaps.flatMap(({ expected, next }) => [
      expected === undefined ? "" : sha1(expected),
      next ?? "",
    ]);
    try {
      return Number(await redis.script?.(SWAP, keys, args)) === 1;
    } catch (cause) {
      if (isReply(cause)) throw cause;
      // The connection broke: the script may have reached the server.
      const scope = { type: "turn", id: swaps.map(({ name }) => name).join(", ") };
      throw new CommitUnknownError({ scope, cause });
    }
  }

  async #swapByReading(redis: RedisCommands, swaps: readonly TextSwap[]): Promise<boolean[]> {
    const present = await Promise.all(swaps.map(({ name }) => redis.get(this.#prefix + name)));
    if (swaps.some(({ expected }, index) => (present[index] ?? undefined) !== expected))
      return swaps.map(() => false);
    await Promise.all(
      swaps.map(({ name, next }) =>
        next === undefined ? redis.del(this.#prefix + name) : redis.set(this.#prefix + name, next),
      ),
    );
    return swaps.map(() => true);
  }

  #run<T>(work: (redis: RedisCommands) => Promise<T>): Promise<T> {
    return this.#closable.run(async () => {
      try {
        return await work(await this.#redis.commands());
      } catch (cause) {
        if (cause instanceof HoldfastError) throw cause;
        const reason = isReply(cause) ? "refused a command" : "cannot be reached";
        throw new StoreUnavailableError(`the Redis server ${reason}`, { cause });
      }
    });
  }
}

/** The next read notices a connection that was lost while idle; a read may be repeated. */
async function getTwice(redis: RedisCommands, key: string): Promise<string | null> {
  try {
    return await redis.get(key);
  } catch (error) {
    if (isReply(error)) throw error;
    return redis.get(key);
  }
}

/** True for an error reply of the server, in contrast to a failure of the connection. */
function isReply(error: unknown, code = ""): boolean {
  if (!isError(error)) return false;
  // ioredis throws ReplyError, node-redis SimpleError or ErrorReply; all messages begin with a code
  // in capitals.
  const isAnswer = /^(?:ReplyError|SimpleError|ErrorReply)$/.test(error.name);
  return (isAnswer || /^[A-Z]{3,} /.test(error.message)) && error.message.startsWith(code);
}

function storedText(text: string | undefined): StoredText | undefined {
  return text === undefined ? undefined : { stamp: text, text };
}

function sha1(text: string): string {
  return createHash("sha1").update(text).digest("hex");
}
