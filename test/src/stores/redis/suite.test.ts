import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, describe, it } from "vitest";
import { redisStore } from "../../../../src/stores/redis/store.ts";
import { describeStore } from "../../../../src/testing/store-suite.ts";
import type { SuiteContext } from "../../../../src/testing/suite-case.ts";
import { findRedis, testKeys } from "../../../support/redis.ts";

const redisUrl = (await findRedis()) ?? "";

if (redisUrl !== "") {
  const keys = testKeys(redisUrl);
  const open = ({ id }: SuiteContext) =>
    redisStore({ url: redisUrl, keyPrefix: `${keys.prefix}${id}:`, appendfsync: "no" });

  afterAll(() => keys.remove());

  describeStore(
    // The cases mostly wait for the server's clock, each on keys of its own.
    { describe: describe.concurrent, it },
    {
      name: "redis",
      create: open,
      reopen: open,
      second: open,
      // Redis has the time of its machine.
      advance: async (_context, ms) => {
        await sleep(ms);
      },
    },
  );
} else {
  it.skip("redis keeps the store contract");
}
