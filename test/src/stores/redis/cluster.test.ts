import { setTimeout as sleep } from "node:timers/promises";
import { Cluster } from "ioredis";
import { afterAll, describe, expect, it } from "vitest";
import { slotOf } from "../../../../src/stores/redis/keys.ts";
import { redisStore } from "../../../../src/stores/redis/store.ts";
import { describeStore } from "../../../../src/testing/store-suite.ts";
import type { SuiteContext } from "../../../../src/testing/suite-case.ts";
import { HOSTILE_KEYS } from "../../../../src/testing/suite-data.ts";
import { canStartRedis } from "../../../support/redis.ts";
import { startCluster } from "../../../support/redis-cluster.ts";

if (canStartRedis()) {
  const cluster = await startCluster();
  const client = new Cluster([...cluster.nodes], { lazyConnect: true });
  client.on("error", () => undefined);
  await client.connect();
  // The client is the test's own: no store ends it.
  const open = ({ id }: Pick<SuiteContext, "id">) =>
    redisStore({ client, keyPrefix: `${id}:`, appendfsync: "no" });

  afterAll(async () => {
    client.disconnect();
    await cluster.remove();
  });

  describeStore(
    // The cases mostly wait for the servers' clocks, each on keys of its own.
    { describe: describe.concurrent, it },
    {
      name: "redis cluster",
      create: open,
      reopen: open,
      second: open,
      advance: async (_context, ms) => {
        await sleep(ms);
      },
    },
  );

  describe("the slots of a cluster", () => {
    it("are worked out as the server does", async () => {
      for (const key of ["a", "{a}b", "x{}y", "x{y", "x}{z}", "é{ü}", ...HOSTILE_KEYS])
        expect(slotOf(key)).toBe(await client.cluster("KEYSLOT", key));
    });

    it("hold writes of one batch on every node", async () => {
      const store = open({ id: "spread" });
      const keys = Array.from({ length: 200 }, (_, at) => `k${at}`);
      await store.commit(
        keys.map((key) => ({ key, expectedVersion: 0, version: 1, state: { key } })),
      );
      const sizes = await Promise.all(client.nodes("master").map((node) => node.dbsize()));
      expect(sizes.every((size) => size > 20)).toBe(true);
      const records = await store.load(keys);
      expect(records.map((record) => record?.state)).toEqual(keys.map((key) => ({ key })));
      await store.close();
      expect(client.status).toBe("ready");
    });

    it("may move while a batch is written: it waits for them", async () => {
      const keys = Array.from({ length: 60 }, (_, at) => `k${at}`);
      const masters = client.nodes("master");
      const [from, to] = masters;
      if (from === undefined || to === undefined) throw new Error("no nodes");
      // A slot with keys in it would have to be moved key by key.
      for (const node of masters) await node.flushall();
      const [fromId, toId] = [await from.cluster("MYID"), await to.cluster("MYID")];
      const slots = keys
        .map((key) => slotOf(`{${key}}`))
        .filter((slot) => client.slots[slot]?.[0] === `${cluster.host}:${from.options.port}`);
      expect(slots.length).toBeGreaterThan(0);
      for (const slot of slots) {
        await to.cluster("SETSLOT", slot, "IMPORTING", fromId);
        await from.cluster("SETSLOT", slot, "MIGRATING", toId);
      }
      const write = (version: number) =>
        keys.map((key) => ({ key, expectedVersion: version - 1, version, state: { version } }));
      const short = redisStore({ client, keyPrefix: "short:", timeoutMs: 300, appendfsync: "no" });
      await expect(short.commit(write(1))).rejects.toThrow("unknown");
      await short.close();
      const store = open({ id: "moving" });
      const writing = store.commit(write(1));
      for (const slot of slots)
        for (const node of masters) await node.cluster("SETSLOT", slot, "NODE", toId);
      expect((await writing).every(({ ok }) => ok)).toBe(true);
      expect((await store.commit(write(2))).every(({ ok }) => ok)).toBe(true);
      const records = await store.load(keys);
      expect(records.map((record) => record?.version)).toEqual(keys.map(() => 2));
      await store.close();
    });
  });
} else {
  it.skip("redis cluster keeps the store contract");
}
