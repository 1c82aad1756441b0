/** Records by hand on Redis: a hash per key, compared and set by a script. */
import { Redis } from "ioredis";
import { found, type Records } from "./rows.ts";
import type { Site } from "./site.ts";

const REPLACE = `if redis.call('HGET', KEYS[1], 'version') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'version', ARGV[1] + 1, 'text', ARGV[2])
return 1`;

/** A client with the script as a command. */
type Client = Redis & {
  replaceRecord(key: string, expected: number, text: string): Promise<number>;
};

/** Opens one connection, as most applications have. */
export async function redisRecords({ url, path }: Site): Promise<Records> {
  const plain = new Redis(url, { keyPrefix: `${path}bare:`, lazyConnect: true });
  plain.defineCommand("replaceRecord", { numberOfKeys: 1, lua: REPLACE });
  // The line above gave it the command.
  const client = plain as Client;
  await client.connect();
  return {
    async create(keys, text) {
      await Promise.all(keys.map((key) => client.hset(key, "version", 1, "text", text)));
    },
    async read(key) {
      const [version, text] = await client.hmget(key, "version", "text");
      return found(
        typeof version === "string" && typeof text === "string"
          ? { version: Number(version), text }
          : undefined,
      );
    },
    async replace(key, expected, text) {
      return (await client.replaceRecord(key, expected, text)) === 1;
    },
    async overwrite(key, text) {
      await client.hset(key, "text", text);
    },
    async close() {
      await client.quit();
    },
  };
}
