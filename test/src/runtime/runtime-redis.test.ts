import { afterAll, it } from "vitest";
import { redisStore } from "../../../src/stores/redis/store.ts";
import { findRedis, testKeys } from "../../support/redis.ts";
import { describeRuntime } from "../../suites/runtime-suite.ts";

const redisUrl = (await findRedis()) ?? "";

if (redisUrl !== "") {
  const keys = testKeys(redisUrl);
  afterAll(() => keys.remove());
  describeRuntime({
    name: "redis",
    several: true,
    watched: true,
    ownClock: true,
    history: true,
    open: (id) =>
      redisStore({ url: redisUrl, keyPrefix: `${keys.prefix}${id}:`, appendfsync: "no" }),
    bursts: [100, 100_000],
  });
} else {
  it.skip("a runtime on redis");
}
