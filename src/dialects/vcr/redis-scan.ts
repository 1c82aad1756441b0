/** The keys of a space on a Redis server. */
import type { RedisConnection } from "./redis-connection.ts";

/** The number of keys per step of a scan. */
const SCAN_COUNT = 1_000;

/** All keys that start with `prefix`, without it, each once, in no order. */
export async function scanKeys(connection: RedisConnection, prefix: string): Promise<string[]> {
  const start = connection.keyPrefix + prefix;
  const pattern = `${start.replaceAll(/[\\*?[\]^]/g, String.raw`\$&`)}*`;
  const found = new Set<string>();
  let cursor = "0";
  do {
    const reply = await connection.send("SCAN", cursor, "MATCH", pattern, "COUNT", SCAN_COUNT);
    const [next, keys] = Array.isArray(reply) ? reply : [];
    for (const key of Array.isArray(keys) ? keys : [])
      if (typeof key === "string") found.add(key.slice(start.length));
    cursor = typeof next === "string" ? next : "0";
  } while (cursor !== "0");
  return [...found];
}
