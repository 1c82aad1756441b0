/** With `appendfsync always`, so that what the server acknowledged outlives its crash. */
import { it } from "vitest";
import { redisStore } from "../../src/stores/redis/store.ts";
import { awaySuite } from "../suites/away-suite.ts";
import { canStartRedis, ownRedis, type OwnRedis } from "../support/redis.ts";

if (canStartRedis()) {
  let own: OwnRedis | null = null;
  awaySuite({
    name: "Redis",
    port: () => own?.port ?? 0,
    async begin() {
      own = await ownRedis(["--save", "", "--appendonly", "yes", "--appendfsync", "always"]);
    },
    open(id, { timeoutMs, port }) {
      const url = `redis://127.0.0.1:${port}`;
      return redisStore({ url, keyPrefix: `${id}:`, appendfsync: "always", timeoutMs });
    },
    stop: async () => own?.stop(),
    start: async () => own?.start(),
    end: async () => own?.remove(),
  });
} else {
  it.skip("redis going away");
}
