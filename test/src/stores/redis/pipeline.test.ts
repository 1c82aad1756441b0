/** How scripts get to a server that does not know all of them. */
import { createHash } from "node:crypto";
import { Redis } from "ioredis";
import { afterAll, describe, expect, it } from "vitest";
import { RedisCalls } from "../../../../src/stores/redis/calls.ts";
import { readOptions } from "../../../../src/stores/redis/options.ts";
import type { RedisScript } from "../../../../src/stores/redis/scripts.ts";
import { findRedis, testKeys } from "../../../support/redis.ts";

const redisUrl = (await findRedis()) ?? "";

const DEADLINE_MS = 10_000;

function script(text: string): RedisScript {
  return { text, sha: createHash("sha1").update(text).digest("hex") };
}

if (redisUrl !== "") {
  const keys = testKeys(redisUrl);
  const client = new Redis(redisUrl);
  afterAll(async () => {
    client.disconnect();
    await keys.remove();
  });

  describe("scripts of which the server knows some", () => {
    it("run once each, and the others are sent as text", async () => {
      const key = `${keys.prefix}n`;
      // Its name is its own, so that no other test has loaded it before.
      const known = script(`return redis.call('INCR', KEYS[1]) -- ${keys.prefix}`);
      const unknown = script(`return ARGV[1] -- ${keys.prefix}`);
      await client.script("LOAD", known.text);
      const calls = new RedisCalls(readOptions({ client, appendfsync: "no" }));
      const requests = [
        { script: unknown, keys: [key], args: ["a"] },
        { script: known, keys: [key], args: [] },
        { script: unknown, keys: [key], args: ["b"] },
      ] as const;
      const replies = await calls.sendOnce(requests, performance.now() + DEADLINE_MS);
      expect(replies).toEqual([{ value: "a" }, { value: 1 }, { value: "b" }]);
      expect(await client.get(key)).toBe("1");
      calls.link.close();
    });
  });
} else {
  it.skip("scripts of which the server knows some");
}
