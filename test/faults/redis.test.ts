/** What happens to a Redis must not happen to its records. */
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { afterAll, describe, expect, it, onTestFinished } from "vitest";
import { redisStore } from "../../src/stores/redis/store.ts";
import type { StateStore } from "../../src/stores/contract.ts";
import { durableSettings, canStartRedis, ownRedis } from "../support/redis.ts";
import { startProxy, type TcpProxy } from "../support/tcp-proxy.ts";
import { served } from "../support/waiting.ts";
import { startAppenders } from "./appenders.ts";

const WRITERS = 4;
const EACH = 60;
const STOPPED_MS = 3_000;

if (canStartRedis()) {
  const server = await ownRedis(durableSettings);
  afterAll(() => server.remove());
  let last = 0;

  const open = (port: number, keyPrefix: string): StateStore => {
    const url = `redis://127.0.0.1:${port}`;
    const store = redisStore({ url, keyPrefix, appendfsync: "always", timeoutMs: 10_000 });
    onTestFinished(() => store.close());
    return store;
  };
  const several = (keyPrefix: string): StateStore[] =>
    Array.from({ length: WRITERS }, () => open(server.port, keyPrefix));
  const prefix = (): string => `t${(last += 1)}:`;
  const plain = (): Redis => {
    const client = new Redis(server.url);
    client.on("error", () => undefined);
    onTestFinished(() => client.disconnect());
    return client;
  };

  describe("a redis with an append-only file synced always", () => {
    it.each([false, true])(
      "that is killed loses no acknowledged write (large: %s)",
      async (large) => {
        const load = startAppenders(several(prefix()), { key: "k", each: EACH, large });
        for (const count of [20, 80, 140]) {
          await load.reached(count);
          await server.stop();
          await server.start();
        }
        await load.done();
      },
    );

    it.each([false, true])(
      "whose connections are cut does nothing twice (large: %s)",
      async (large) => {
        const load = startAppenders(several(prefix()), { key: "k", each: EACH, large });
        const client = plain();
        for (let count = 10; count < WRITERS * EACH; count += 10) {
          await load.reached(count);
          await client.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
        }
        await load.done();
      },
    );

    it("that forgets its scripts is told them again", async () => {
      const load = startAppenders(several(prefix()), { key: "k", each: EACH, large: true });
      const client = plain();
      for (let count = 5; count < WRITERS * EACH; count += 5) {
        await load.reached(count);
        await client.script("FLUSH", "SYNC");
      }
      await load.done();
    });

    it("that stands still for a while answers what was asked of it meanwhile", async () => {
      const load = startAppenders(several(prefix()), { key: "k", each: EACH });
      await load.reached(40);
      server.signal("SIGSTOP");
      await sleep(STOPPED_MS);
      server.signal("SIGCONT");
      await load.done();
    });
  });

  describe("a reply that got lost", () => {
    const through = async (): Promise<{
      readonly store: StateStore;
      readonly lose: () => Promise<void>;
      readonly refuse: () => void;
    }> => {
      const proxy = await startProxy(server.port);
      onTestFinished(() => proxy.close());
      const store = open(proxy.port, prefix());
      await store.load(["connect"]);
      return { store, lose: () => proxy.dropNextReply(), refuse: () => proxy.refuse() };
    };
    const large = "x".repeat(10_000);

    it.each([
      ["a small state", { n: 2 }],
      ["a large state", { n: 2, large }],
    ])("does not repeat a write of %s", async (_name, state) => {
      const { store, lose } = await through();
      const before = "large" in state ? { n: 1, large } : { n: 1 };
      await store.commit([{ key: "k", expectedVersion: 0, version: 1, state: before }]);
      const patches = [{ op: "replace" as const, path: ["n"], value: 2 }];
      const history = { add: [{ version: 2, at: 2, entry: "a change" }], keep: {} };
      const lost = lose();
      const write = { key: "k", expectedVersion: 1, version: 2, state, patches, history };
      expect(await store.commit([write])).toEqual([{ ok: true, version: 2 }]);
      await lost; // It was lost indeed.
      expect(await store.load(["k"])).toEqual([{ version: 2, state }]);
      expect(await store.history?.("k")).toEqual(history.add);
    });

    it("does not repeat a batch, and its conflicts stay conflicts", async () => {
      const { store, lose } = await through();
      const keys = Array.from({ length: 50 }, (_, at) => `k${at}`);
      const writes = (version: number) =>
        keys.map((key) => ({ key, expectedVersion: version - 1, version, state: version }));
      await store.commit(writes(1));
      const stale = { key: "stale", expectedVersion: 4, version: 5, state: 5 };
      const lost = lose();
      const results = await store.commit([...writes(2), stale]);
      await lost;
      expect(results.slice(0, -1).every(({ ok }) => ok)).toBe(true);
      expect(results.at(-1)).toEqual({ ok: false, current: undefined });
      const records = await store.load(keys);
      expect(records).toEqual(keys.map(() => ({ version: 2, state: 2 })));
    });

    it("does not cost an exclusive turn its place", async () => {
      const { store, lose } = await through();
      const lost = lose();
      await store.exclusive?.("k", 5_000, async () => {
        await store.commit([{ key: "k", expectedVersion: 0, version: 1, state: 1 }]);
      });
      await lost;
      expect(await store.load(["k"])).toEqual([{ version: 1, state: 1 }]);
    });

    it("leaves the outcome unknown when nobody can be asked any more", async () => {
      const proxy = await startProxy(server.port);
      onTestFinished(() => proxy.close());
      const url = `redis://127.0.0.1:${proxy.port}`;
      const keyPrefix = prefix();
      const store = redisStore({ url, keyPrefix, timeoutMs: 1_500, appendfsync: "no" });
      onTestFinished(() => store.close());
      const first = { key: "k", expectedVersion: 0, version: 1, state: 1 };
      await open(server.port, keyPrefix).commit([first]);
      await served(() => store.load(["k"]));
      const lost = proxy.dropNextReply().then(() => proxy.refuse());
      const write = { key: "k", expectedVersion: 1, version: 2, state: 2 };
      await expect(store.commit([write])).rejects.toMatchObject({ code: "COMMIT_UNKNOWN" });
      await lost;
      // Now the store knows that nothing was sent.
      await expect(store.commit([write])).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
      proxy.accept();
      expect(await served(() => store.load(["k"]))).toEqual([{ version: 2, state: 2 }]);
    });

    describe("of one write of several", () => {
      const pair = async (
        timeoutMs: number,
      ): Promise<{ store: StateStore; other: StateStore; proxy: TcpProxy; keyPrefix: string }> => {
        const proxy = await startProxy(server.port);
        onTestFinished(() => proxy.close());
        const keyPrefix = prefix();
        await plain().acl("SETUSER", "ann", "on", ">pass", "~*", "&*", "+@all");
        const url = `redis://ann:pass@127.0.0.1:${proxy.port}`;
        const store = redisStore({ url, keyPrefix, timeoutMs, appendfsync: "no" });
        onTestFinished(() => store.close());
        const other = open(server.port, keyPrefix);
        await store.load(["connect"]);
        return { store, other, proxy, keyPrefix };
      };
      const good = { key: "good", expectedVersion: 1, version: 2, state: 2 };

      it("is unknown, and no conflict, when its writer has done four things since", async () => {
        const { store, proxy, keyPrefix } = await pair(10_000);
        await store.commit([{ ...good, expectedVersion: 0, version: 1 }]);
        const lost = proxy.dropNextReply("done").then(() => proxy.refuse());
        const commit = expect(store.commit([good])).rejects.toMatchObject({
          code: "COMMIT_UNKNOWN",
        });
        await lost;
        // As four more commits of the same store object leave the head.
        const head = `${keyPrefix}{good}`;
        const own = (await plain().hkeys(head)).find((field) => field.startsWith("o:")) ?? "";
        await plain().hset(head, "v", "6", own, `${Date.now()} 101 102 103 104`);
        proxy.accept();
        await commit;
      });

      it("is not forgotten when another was refused for good: the batch is unknown", async () => {
        const { store, other, proxy, keyPrefix } = await pair(10_000);
        await store.commit([{ ...good, expectedVersion: 0, version: 1 }]);
        await plain().set(`${keyPrefix}{bad}`, "of somebody else");
        const lost = proxy.dropNextReply("done").then(() => proxy.refuse());
        const bad = { key: "bad", expectedVersion: 1, version: 2, state: 2 };
        const commit = expect(store.commit([bad, good])).rejects.toMatchObject({
          code: "COMMIT_UNKNOWN",
        });
        await lost;
        // What is asked again is refused, so that nobody learns how it ended.
        await plain().acl("SETUSER", "ann", "-evalsha", "-eval");
        proxy.accept();
        await commit;
        expect(await other.load(["good"])).toEqual([{ version: 2, state: 2 }]);
      });

      it("is not forgotten when another has to be sent once more and cannot", async () => {
        const { store, other, proxy } = await pair(1_500);
        const first = { key: "k", expectedVersion: 0, version: 1, state: { n: 1, large } };
        await store.commit([first, { ...good, expectedVersion: 0, version: 1 }]);
        // Small by now, so that what the store sends, a patch, is not taken.
        await other.commit([{ key: "k", expectedVersion: 1, version: 2, state: { n: 2 } }]);
        const patches = [{ op: "replace" as const, path: ["n"], value: 3 }];
        const again = { key: "k", expectedVersion: 2, version: 3, state: { n: 3 }, patches };
        const lost = proxy.dropNextReply("done").then(() => proxy.refuse());
        await expect(store.commit([again, good])).rejects.toMatchObject({
          code: "COMMIT_UNKNOWN",
        });
        await lost;
        expect(await other.load(["k", "good"])).toEqual([
          { version: 2, state: { n: 2 } },
          { version: 2, state: 2 },
        ]);
      });
    });
  });
} else {
  it.skip("faults of redis");
}
