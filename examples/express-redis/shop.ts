/** What the shop keeps, for all its processes. */
import { createRuntime, defineKind } from "holdfast";
import { redisStore } from "holdfast/redis";
import { z } from "zod";

/** A runtime on the server at `url`; `namespace` separates applications on one server. */
export function openShop(url: string, namespace: string) {
  return createRuntime({
    // This server is for a demonstration: what it keeps may be lost.
    store: redisStore({ url, appendfsync: "no" }),
    namespace,
    kinds: {
      page: defineKind({ schema: z.object({ visits: z.int().default(0) }) }),
      account: defineKind({ schema: z.object({ cents: z.int().default(0) }) }),
    },
  });
}
