/** L6: a key leaves the index only when no record can come of its entry any more. */
import { Redis } from "ioredis";
import { describe, expect, it, onTestFinished } from "vitest";
import { RedisIndex } from "../../../../src/stores/redis/key-index.ts";
import { redisStore } from "../../../../src/stores/redis/store.ts";
import { findRedis, testKeys } from "../../../support/redis.ts";

const url = (await findRedis()) ?? "";

async function setUp(timeoutMs: number) {
  const keys = testKeys(url);
  const prefix = `${keys.prefix}index:`;
  const client = new Redis(url);
  const store = redisStore({ url, keyPrefix: prefix, timeoutMs, appendfsync: "no" });
  onTestFinished(async () => {
    await store.close();
    await keys.remove();
    client.disconnect();
  });
  const index = new RedisIndex({
    prefix,
    clientPrefix: "",
    graceMs: 2 * timeoutMs,
    isCluster: false,
    ask: (requests) =>
      Promise.all(
        requests.map(({ script, keys: names, args }) =>
          client.eval(script.text, names.length, ...names, ...args),
        ),
      ),
  });
  const members = (): Promise<string[]> => client.zrange(`${prefix}index`, "0", "-1");
  const due = `${prefix}index:due{${prefix}index}`;
  return { client, due, index, members, store };
}

const sleep = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

describe.skipIf(url === "")("the index of Redis", () => {
  it("keeps a key that was entered, for as long as its record may be made", async () => {
    const { client, due, index, members } = await setUp(300);
    const { script, keys, args } = index.entry(["k"]);
    await client.eval(script.text, keys.length, ...keys, ...args);
    await index.sweep();
    expect(await members()).toEqual(["k"]);
    await sleep(650);
    await index.sweep();
    expect([await members(), await client.zcard(due)]).toEqual([[], 0]);
  });

  it("keeps the key of a record, and looks again when the record will be gone", async () => {
    const { client, due, index, members, store } = await setUp(300);
    const write = { expectedVersion: 0, version: 1, state: 1 };
    const short = { tombstoneMs: 100, ttlMs: 100 };
    await store.commit([
      { ...write, key: "stays" },
      { ...write, ...short, key: "goes" },
    ]);
    await sleep(650);
    await index.sweep();
    expect(await members()).toEqual(["goes", "stays"]);
    expect(await client.zrange(due, "0", "-1")).toEqual(["goes"]);
    await sleep(1_200);
    await index.sweep();
    expect([await members(), await client.zcard(due)]).toEqual([["stays"], 0]);
  });

  it("keeps a key that was entered again between a look and its end", async () => {
    const { client, index, members } = await setUp(300);
    const enter = async (): Promise<void> => {
      const { script, keys, args } = index.entry(["k"]);
      await client.eval(script.text, keys.length, ...keys, ...args);
    };
    await enter();
    const seen = await index.seen(["k"]);
    await sleep(5);
    await enter();
    await index.erased(["k"], { seen, erased: [true] });
    expect(await members()).toEqual(["k"]);
  });

  it("keeps a key that is erased while its record is on its way, until none can come", async () => {
    const { client, due, index, members, store } = await setUp(300);
    const { script, keys, args } = index.entry(["k"]);
    await client.eval(script.text, keys.length, ...keys, ...args);
    expect(await store.erase?.(["k"])).toEqual([false]);
    expect(await members()).toEqual(["k"]);
    await sleep(650);
    await index.sweep();
    expect([await members(), await client.zcard(due)]).toEqual([[], 0]);
  });

  it("a record is refused when its entry is too old", async () => {
    const { client, store } = await setUp(300);
    const first = { key: "first", expectedVersion: 0, version: 1, state: 1 };
    await store.commit([first]); // Its connection and scripts are there.
    const { args } = await recorded(client, () => store.commit([{ ...first, key: "late" }]));
    await store.erase?.(["late"]);
    await sleep(650);
    expect(await client.call("EVALSHA", ...args)).toEqual(["late"]);
    expect(await store.load(["late"])).toEqual([undefined]);
  });
});

/** What the store sends to make a record. */
async function recorded(client: Redis, work: () => Promise<unknown>): Promise<{ args: string[] }> {
  const monitor = await client.monitor();
  const sent: string[][] = [];
  monitor.on("monitor", (_time: string, call: string[]) => sent.push(call));
  await work();
  await sleep(100);
  monitor.disconnect();
  const commit = sent.find((call) => /^evalsha$/i.test(call[0] ?? "") && call[2] === "5");
  return { args: commit?.slice(1) ?? [] };
}
