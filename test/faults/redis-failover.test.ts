/**
 * A primary of a Redis Cluster dies. Redis copies to replicas after it has answered, so by itself
 * it may lose what it acknowledged last; whoever asks for WAIT is not answered before the replica
 * has it, and that is what is promised here.
 */
import { Cluster } from "ioredis";
import { afterAll, describe, expect, it } from "vitest";
import { slotOf } from "../../src/stores/redis/keys.ts";
import { redisStore } from "../../src/stores/redis/store.ts";
import { canStartRedis } from "../support/redis.ts";
import { startCluster } from "../support/redis-cluster.ts";
import { startAppenders } from "./appenders.ts";

const WRITERS = 3;
const EACH = 25;

if (canStartRedis()) {
  const cluster = await startCluster(1_000);
  const clients = Array.from({ length: WRITERS }, () => new Cluster([...cluster.nodes]));
  afterAll(async () => {
    for (const client of clients) client.disconnect();
    await cluster.remove();
  });

  describe("a cluster that loses a primary", () => {
    it("keeps what was acknowledged after WAIT and goes on", { timeout: 60_000 }, async () => {
      const wait = { replicas: 1, timeoutMs: 50 };
      const stores = clients.map((client) =>
        redisStore({ client, keyPrefix: "t:", wait, timeoutMs: 15_000, appendfsync: "no" }),
      );
      const notified = new Promise<void>((resolve) => {
        const changed = (key: string): void => (key === "other0" ? resolve() : undefined);
        // The node it listened to may be the one that dies.
        void stores[0]?.watch?.(changed, resolve);
      });
      const load = startAppenders(stores, { key: "k", each: EACH, large: true });
      await load.reached(20);
      const [primary = ""] = clients[0]?.slots[slotOf("t:{k}")] ?? [];
      await cluster.kill(Number(primary.split(":")[1]));
      await load.done();
      // The replica has become the primary; the others' records were never away.
      const others = Array.from({ length: 50 }, (_, at) => `other${at}`);
      const plain = redisStore({
        client: clients[0] ?? expect.fail("no client"),
        keyPrefix: "t:",
        appendfsync: "no",
      });
      const writes = others.map((key) => ({ key, expectedVersion: 0, version: 1, state: 1 }));
      expect((await plain.commit(writes)).every(({ ok }) => ok)).toBe(true);
      expect((await plain.load(others)).every((record) => record?.version === 1)).toBe(true);
      await notified;
      for (const store of [...stores, plain]) await store.close();
    });
  });
} else {
  it.skip("a cluster that loses a primary");
}
