/** L6: a key leaves the index only when no record can come of its entry any more. */
import { Pipeline, Redis } from "ioredis";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { RedisIndex } from "../../../../src/stores/redis/key-index.ts";
import { redisStore } from "../../../../src/stores/redis/store.ts";
import { findRedis, testKeys } from "../../../support/redis.ts";

const url = (await findRedis()) ?? "";

/** Longer than a test takes: a record may be made, and its key is kept, for twice this time. */
const TIMEOUT_MS = 60_000;
const GRACE_MS = 2 * TIMEOUT_MS;

async function setUp() {
  const keys = testKeys(url);
  const prefix = `${keys.prefix}index:`;
  const client = new Redis(url);
  const store = redisStore({
    url,
    keyPrefix: prefix,
    timeoutMs: TIMEOUT_MS,
    appendfsync: "no",
  });
  onTestFinished(async () => {
    await store.close();
    await keys.remove();
    client.disconnect();
  });
  const index = new RedisIndex({
    prefix,
    clientPrefix: "",
    graceMs: GRACE_MS,
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
  /** As if `ms` had passed for what is due: the clock of the server cannot be turned. */
  const age = async (ms: number): Promise<void> => {
    for (const member of await client.zrange(due, "0", "-1"))
      await client.zincrby(due, -ms, member);
  };
  const enter = async (): Promise<void> => {
    const { script, keys: names, args } = index.entry(["k"]);
    await client.eval(script.text, names.length, ...names, ...args);
  };
  return { age, client, due, enter, index, members, prefix, store };
}

describe.skipIf(url === "")("the index of Redis", () => {
  it("keeps a key that was entered, for as long as its record may be made", async () => {
    const { age, client, due, enter, index, members } = await setUp();
    await enter();
    await index.sweep();
    expect(await members()).toEqual(["k"]);
    await age(GRACE_MS + 1);
    await index.sweep();
    expect([await members(), await client.zcard(due)]).toEqual([[], 0]);
  });

  it("keeps the key of a record, and looks again when the record will be gone", async () => {
    const { age, client, due, index, members, prefix, store } = await setUp();
    const write = { expectedVersion: 0, version: 1, state: 1 };
    const short = { tombstoneMs: 100, ttlMs: 100 };
    await store.commit([
      { ...write, key: "stays" },
      { ...write, ...short, key: "goes" },
    ]);
    await age(GRACE_MS + 1_000);
    await index.sweep();
    expect(await members()).toEqual(["goes", "stays"]);
    expect(await client.zrange(due, "0", "-1")).toEqual(["goes"]);
    const leftMs = await client.pttl(`${prefix}{goes}`);
    await client.del(`${prefix}{goes}`); // As the server does when its time is over.
    await index.sweep();
    expect(await members()).toEqual(["goes", "stays"]);
    await age(leftMs + 1_000);
    await index.sweep();
    expect([await members(), await client.zcard(due)]).toEqual([["stays"], 0]);
  });

  it("keeps a key that was entered again between a look and its end", async () => {
    const { age, enter, index, members } = await setUp();
    await enter();
    await age(1); // The second entry is not of the same millisecond.
    const seen = await index.seen(["k"]);
    await enter();
    await index.erased(["k"], { seen, erased: [true] });
    expect(await members()).toEqual(["k"]);
  });

  it("keeps a key that is erased while its record is on its way, until none can come", async () => {
    const { age, client, due, enter, index, members, store } = await setUp();
    await enter();
    expect(await store.erase?.(["k"])).toEqual([false]);
    expect(await members()).toEqual(["k"]);
    await age(GRACE_MS + 1_000);
    await index.sweep();
    expect([await members(), await client.zcard(due)]).toEqual([[], 0]);
  });

  it("a record is refused when its entry is too old", async () => {
    const { client, due, store } = await setUp();
    const first = { key: "first", expectedVersion: 0, version: 1, state: 1 };
    await store.commit([first]); // Its connection and scripts are there.
    const late = { ...first, key: "late" };
    const sent = await recorded(() => store.commit([late]));
    const until = await client.zscore(due, "late");
    await store.erase?.(["late"]);
    // The time until which the record may be made is over when the server gets it.
    const args = sent.map((arg) => (arg === until ? String(Number(arg) - GRACE_MS - 1) : arg));
    expect(args).not.toEqual(sent);
    expect(await client.call("EVALSHA", ...args)).toEqual(["late"]);
    expect(await store.load(["late"])).toEqual([undefined]);
  });
});

/** What the store sends to make a record. */
async function recorded(work: () => Promise<unknown>): Promise<string[]> {
  const sent = vi.spyOn(Pipeline.prototype, "evalsha");
  onTestFinished(() => sent.mockRestore());
  await work();
  return sent.mock.calls.map((call) => call.map(String)).find((call) => call[1] === "5") ?? [];
}
