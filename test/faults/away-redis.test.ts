/** With `appendfsync always`, so that what the server acknowledged outlives its crash. */
import { it } from "vitest";
import { redisStore } from "../../src/stores/redis.ts";
import { awaySuite } from "../suites/away-suite.ts";
import { hasRedis, startRedis, type OwnRedis } from "../support/redis.ts";

if (await hasRedis()) {
  let own: OwnRedis | null = null;
  awaySuite({
    name: "Redis",
    async begin() {
      own = await startRedis(["--save", "", "--appendonly", "yes", "--appendfsync", "always"]);
    },
    open: (id, timeoutMs) =>
      redisStore({ url: own?.url ?? "", keyPrefix: `${id}:`, appendfsync: "always", timeoutMs }),
    stop: async () => own?.stop(),
    start: async () => own?.start(),
    end: async () => own?.remove(),
  });
} else {
  it.skip("redis going away");
}
