import { afterAll, it } from "vitest";
import { contentionSuite } from "../suites/contention-suite.ts";
import { hasRedis, redisUrl, testKeys } from "../support/redis.ts";

if (await hasRedis()) {
  const keys = testKeys(redisUrl);
  afterAll(() => keys.remove());
  let places = 0;
  contentionSuite({
    kind: "redis",
    fresh: () => {
      places += 1;
      return `${redisUrl}#${keys.prefix}${places}:`;
    },
  });
} else {
  it.skip("contention on redis");
}
