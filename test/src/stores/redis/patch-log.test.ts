import { afterAll, it } from "vitest";
import { redisStore } from "../../../../src/stores/redis/store.ts";
import { findRedis, testKeys } from "../../../support/redis.ts";
import { describePatchLog } from "../../../suites/patch-log.ts";

const redisUrl = (await findRedis()) ?? "";

if (redisUrl !== "") {
  const keys = testKeys(redisUrl);
  afterAll(() => keys.remove());
  describePatchLog({
    name: "redis",
    open: () => redisStore({ url: redisUrl, keyPrefix: keys.prefix, appendfsync: "no" }),
  });
} else {
  it.skip("the patch log of redis");
}
