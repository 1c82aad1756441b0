/**
 * The primary becomes a replica and its address leads to the new primary, while connections stay
 * where they are: everything that was given a URL goes on at the new primary.
 */
import { RedisStorage, runTurn } from "holdfast/turn-state";
import { createVcr, State } from "holdfast/vcr";
import { Redis } from "ioredis";
import { describe, expect, it, onTestFinished } from "vitest";
import { redisStore } from "../../src/stores/redis/store.ts";
import { type RedisPair, startRedisPair } from "../support/redis-pair.ts";
import { canStartRedis } from "../support/redis.ts";
import { activity } from "../src/dialects/turn-state/places.ts";

const CALLS = 50;

async function pairOfServers(): Promise<RedisPair> {
  const pair = await startRedisPair();
  onTestFinished(() => pair.remove());
  return pair;
}

describe.skipIf(!canStartRedis())("after the replica took over", { timeout: 30_000 }, () => {
  it("a vcr by URL goes on, and keeps the order of calls that were not awaited", async () => {
    const pair = await pairOfServers();
    const vcr = createVcr({ redis: pair.url });
    onTestFinished(() => vcr.close());
    const state = new State(vcr.getSessionById("s"));
    await state.listAppend("list", "first");
    await pair.failOver();
    const numbers = Array.from({ length: CALLS }, (_, at) => `${at}`);
    const appended = await Promise.all(numbers.map((each) => state.listAppend("list", each)));
    expect(appended).toEqual(numbers.map((_, at) => `${at + 2}`));
    const onNew = new Redis(pair.second.url);
    onTestFinished(() => onNew.disconnect());
    const stored = await onNew.lrange("state:s:list", 0, -1);
    expect(stored).toEqual(["first", ...numbers].map((each) => JSON.stringify(each)));
  });

  it("a vcr by URL updates and changes several things at once", async () => {
    const pair = await pairOfServers();
    const vcr = createVcr({ redis: pair.url });
    onTestFinished(() => vcr.close());
    const state = new State(vcr.getSessionById("s"));
    await state.set("n", 1);
    await state.listAppend("list", "a");
    await pair.failOver();
    const work = [
      state.update("n", (n) => Number(n) + 1),
      state.listAppend("list", "b"),
      state.set("ends", 1, { ttl: 60 }),
      state.mapSet("map", { a: 1 }),
    ];
    await Promise.all(work);
    expect(await state.get("n")).toBe(2);
    expect(await state.listRange("list")).toEqual(["a", "b"]);
    expect(await state.mapGetValue("map", "a")).toBe("1");
  });

  it("a storage of turns by URL goes on, and loses no turn", async () => {
    const pair = await pairOfServers();
    const storage = new RedisStorage(pair.url);
    onTestFinished(() => storage.close());
    const count = (): Promise<void> =>
      runTurn(storage, activity("c1"), (state) => {
        state.conversation.set("n", (state.conversation.get("n", 0) ?? 0) + 1);
      });
    await count();
    await pair.failOver();
    await Promise.all(Array.from({ length: CALLS }, count));
    const key = "msteams/b1/conversations/c1";
    expect(await storage.read([key])).toEqual({ [key]: { n: CALLS + 1 } });
    await storage.write({ plain: { n: 1 } });
    await storage.delete(["plain"]);
    const other = new RedisStorage(pair.second.url);
    onTestFinished(() => other.close());
    expect(await other.read([key, "plain"])).toEqual({ [key]: { n: CALLS + 1 } });
  });

  it("a store by URL goes on", async () => {
    const pair = await pairOfServers();
    const store = redisStore({ url: pair.url, appendfsync: "no" });
    onTestFinished(() => store.close());
    await store.commit([{ key: "k", expectedVersion: 0, version: 1, state: 1 }]);
    await pair.failOver();
    const [written] = await store.commit([{ key: "k", expectedVersion: 1, version: 2, state: 2 }]);
    expect(written).toEqual({ ok: true, version: 2 });
  });

  it("where the address still leads to the replica, the refusal is what the caller receives", async () => {
    const pair = await pairOfServers();
    await pair.call(pair.first, "REPLICAOF", "127.0.0.1", String(pair.second.port));
    const vcr = createVcr({ redis: pair.first.url });
    onTestFinished(() => vcr.close());
    const state = new State(vcr.getSessionById("s"));
    const calls = Array.from({ length: 3 }, () => state.listAppend("list", "x"));
    for (const call of calls) await expect(call).rejects.toThrow("READONLY");
  });
});
