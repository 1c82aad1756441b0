/** Checks in Redis: how they travel, which server answers them, and what they leave in doubt. */
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import type { RedisStoreOptions } from "../../../../src/stores/redis/options.ts";
import { redisStore } from "../../../../src/stores/redis/store.ts";
import type { ScopeWrite, StateStore, VersionCheck } from "../../../../src/stores/contract.ts";
import { startRedisPair } from "../../../support/redis-pair.ts";
import { canStartRedis, type OwnRedis, ownRedis } from "../../../support/redis.ts";
import { served } from "../../../support/waiting.ts";

const SHORT_MS = 600;
const away = { code: "STORE_UNAVAILABLE" };
const quiet = { warn: () => undefined, error: () => undefined };

function write(key: string, expectedVersion: number, more: Partial<ScopeWrite> = {}): ScopeWrite {
  const version = expectedVersion + 1;
  return { key, expectedVersion, version, state: { n: version }, ...more };
}

function check(key: string, expectedVersion: number): VersionCheck {
  return { key, expectedVersion };
}

function open(options: RedisStoreOptions): StateStore {
  const store = redisStore({ appendfsync: "no", logger: quiet, ...options });
  onTestFinished(() => store.close());
  return store;
}

describe.skipIf(!canStartRedis())("checks", () => {
  let server: OwnRedis;
  let admin: Redis;
  let prefix = 0;
  const fresh = (): { url: string; keyPrefix: string } => {
    prefix += 1;
    return { url: server.url, keyPrefix: `p${prefix}:` };
  };
  beforeAll(async () => {
    server = await ownRedis();
    admin = new Redis(server.url);
  });
  afterAll(async () => {
    admin.disconnect();
    await server.remove();
  });

  it("go in the pipeline of the writes, and alone in one", async () => {
    const client = new Redis(server.url);
    onTestFinished(() => client.disconnect());
    const store = open({ client, keyPrefix: "pipelines:" });
    await store.commit([write("a", 0), write("b", 0)]);
    await store.commit([], { checks: [check("a", 1)] });
    const sent = vi.spyOn(client, "pipeline");
    await store.commit([write("a", 1)], { checks: [check("b", 1), check("c", 0)] });
    expect(sent).toHaveBeenCalledTimes(1);
    await store.commit([], { checks: [check("a", 2), check("b", 1)] });
    expect(sent).toHaveBeenCalledTimes(2);
  });

  it("see the writes that were sent before them", async () => {
    const store = open(fresh());
    await store.commit([write("k", 0)]);
    const writes = [store.commit([write("k", 1)]), store.commit([write("k", 2)])];
    const checked = store.commit([], { checks: [check("k", 3)] });
    expect(await checked).toEqual([{ ok: true, version: 3 }]);
    expect((await Promise.all(writes)).flat().every(({ ok }) => ok)).toBe(true);
  });

  it("are not answered by a server that became a replica, nor by one cut off", async () => {
    const place = fresh();
    await open(place).commit([write("k", 0)]);
    const store = open({ ...place, timeoutMs: 2_000 });
    await served(() => store.load(["k"]));
    await admin.call("REPLICAOF", "127.0.0.1", "1");
    const checked = store.commit([], { checks: [check("k", 1)] });
    await expect(checked).rejects.toMatchObject({ ...away, message: /connect to the primary/ });
    await admin.call("REPLICAOF", "NO", "ONE");
    await admin.call("CONFIG", "SET", "min-replicas-to-write", "1");
    const cutOff = store.commit([], { checks: [check("k", 1)] });
    await expect(cutOff).rejects.toMatchObject({ ...away, message: /NOREPLICAS/ });
    await admin.call("CONFIG", "SET", "min-replicas-to-write", "0");
    const again = await served(() => store.commit([], { checks: [check("k", 1)] }));
    expect(again).toEqual([{ ok: true, version: 1 }]);
  });

  it("are answered by a server that is full, as loads are", async () => {
    const store = open(fresh());
    await store.commit([write("k", 0)]);
    await admin.call("CONFIG", "SET", "maxmemory", "1");
    onTestFinished(async () => void (await admin.call("CONFIG", "SET", "maxmemory", "0")));
    const checks = [check("k", 1), check("k", 2)];
    const [right, wrong] = await store.commit([], { checks });
    expect(right).toEqual({ ok: true, version: 1 });
    expect(wrong).toMatchObject({ ok: false, current: { version: 1, state: { n: 1 } } });
  });

  it("leave nothing in doubt when no answer comes", async () => {
    const place = fresh();
    await open(place).commit([write("k", 0)]);
    const store = open({ ...place, timeoutMs: SHORT_MS });
    await served(() => store.load(["k"]));
    server.signal("SIGSTOP");
    const checked = store.commit([], { checks: [check("k", 1)] });
    await expect(checked).rejects.toMatchObject(away);
    server.signal("SIGCONT");
    const again = await served(() => store.commit([], { checks: [check("k", 1)] }));
    expect(again).toEqual([{ ok: true, version: 1 }]);
  });

  it("of a damaged record fail, and make the writes beside them unknown once", async () => {
    const place = fresh();
    const store = open(place);
    await store.commit([write("damaged", 0), write("a", 0)]);
    await admin.hset(`${place.keyPrefix}{damaged}`, "v", "9", "s", "{");
    const damaged = { code: "CORRUPT_STATE", message: /\{damaged\}/ };
    const checks = [check("damaged", 1)];
    await expect(store.commit([write("a", 1)], { checks })).rejects.toMatchObject({
      code: "COMMIT_UNKNOWN",
    });
    await expect(store.commit([write("a", 2)], { checks })).rejects.toMatchObject(damaged);
    await expect(store.commit([], { checks })).rejects.toMatchObject(damaged);
    expect(await store.load(["a"])).toEqual([{ version: 2, state: { n: 2 }, leftMs: undefined }]);
  });

  it("wait for no replica: there is nothing of them to confirm", async () => {
    const place = fresh();
    await open(place).commit([write("k", 0)]);
    const store = open({ ...place, wait: { replicas: 1, timeoutMs: 20 } });
    const checks = [check("k", 1)];
    expect(await store.commit([], { checks })).toEqual([{ ok: true, version: 1 }]);
    await expect(store.commit([write("k", 1)], { checks: [check("n", 0)] })).rejects.toMatchObject({
      code: "COMMIT_UNKNOWN",
    });
  });
});

describe.skipIf(!canStartRedis())("a check after the replica took over", () => {
  it("is answered by the new primary, which has newer versions", async () => {
    const pair = await startRedisPair();
    onTestFinished(() => pair.remove());
    const store = open({ url: pair.url });
    await store.commit([write("k", 0)]);
    await pair.failOver();
    const writer = open({ url: pair.second.url });
    await writer.commit([write("k", 1)]);
    // The connection of `store` is still with the old primary.
    const [stale] = await store.commit([], { checks: [check("k", 1)] });
    expect(stale).toMatchObject({ ok: false, current: { version: 2 } });
    const [newest] = await store.commit([], { checks: [check("k", 2)] });
    expect(newest).toEqual({ ok: true, version: 2 });
  });
});
