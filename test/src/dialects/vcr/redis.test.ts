/** What is particular about keys on a Redis server. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Redis } from "ioredis";
import { State } from "../../../../src/dialects/vcr/state.ts";
import { createVcr, type Vcr } from "../../../../src/dialects/vcr/vcr.ts";
import { findRedis, testClient } from "../../../support/redis.ts";

const redisUrl = (await findRedis()) ?? "";

describe.runIf(redisUrl !== "")("a vcr on Redis", () => {
  let client: Redis;
  let close: () => Promise<void>;
  let vcr: Vcr;
  let state: State;

  beforeEach(() => {
    ({ client, close } = testClient(redisUrl));
    vcr = createVcr({ redis: client });
    state = new State(vcr.getSessionById("s"));
  });
  afterEach(() => close());

  it("keeps plain values of plain types under the scope and the key", async () => {
    await state.set("k", { a: 1 });
    await state.mapSet("m", { f: "x" });
    await state.listAppend("l", "v");
    expect(await client.get("state:s:k")).toBe('{"a":1}');
    expect(await client.hgetall("state:s:m")).toEqual({ f: "x" });
    expect(await client.lrange("state:s:l", 0, -1)).toEqual(['"v"']);
    await vcr.getInstanceState().set("k", 1);
    await vcr.getAccountState().set("k", 2);
    expect(await client.mget("application:debug:k", "account:k")).toEqual(["1", "2"]);
  });

  it("reads what others wrote, and says so when it is not JSON", async () => {
    await client.set("state:s:k", "plain text");
    await expect(state.get("k")).rejects.toMatchObject({ code: "CORRUPT_STATE", key: "k" });
    await client.set("state:s:k", "");
    expect(await state.get("k")).toBeNull();
    await client.set("state:s:k", "+5");
    await expect(state.increment("k", 1)).rejects.toMatchObject({ code: "NOT_INTEGER" });
    await client.rpush("state:s:l", '{ "a": 1 }', '{"b":2,"a":1}', '{"a":1,"b":2}');
    expect(await state.listRemove("l", { a: 1, b: 2 })).toBe("2");
  });

  it("loses no update among several clients", async () => {
    const others = [1, 2, 3].map(() => client.duplicate());
    const states = [client, ...others].map(
      (redis) => new State(createVcr({ redis }).getSessionById("s")),
    );
    const add = async (n = 0): Promise<number> => Promise.resolve(n + 1);
    await Promise.all(
      states.flatMap((each) => Array.from({ length: 25 }, () => each.update<number>("n", add))),
    );
    expect(await state.get("n")).toBe(100);
    for (const other of others) other.disconnect();
  });

  it("does not know what came of an update that is given up while it is stored", async () => {
    const abort = new AbortController();
    const reached = new Promise<void>((resolve) => {
      const call = client.call.bind(client) as (...sent: unknown[]) => Promise<unknown>;
      const held = async (...sent: unknown[]): Promise<unknown> => {
        const reply = await call(...sent);
        if (sent[0] !== "EVAL") return reply;
        resolve();
        return new Promise((later) => setTimeout(later, 50, reply));
      };
      Object.assign(client, { call: held });
    });
    const update = state.update<number>("n", () => 1, { signal: abort.signal });
    const refused = expect(update).rejects.toMatchObject({ code: "COMMIT_UNKNOWN" });
    await reached;
    abort.abort(new Error("too late"));
    await refused;
    expect(await state.get("n")).toBe(1);
  });

  it("finds definitions again in another process, and indexes what is there", async () => {
    await state.mapSet("m", { name: "Alice" });
    await state.createIndex("i", { schema: [{ fieldName: "name", type: "TEXT" }] });
    const after = new State(createVcr({ redis: client }).getSessionById("s"));
    expect((await after.search("i", "alice", { noContent: true })).raw).toEqual([1, "m"]);
    await expect(
      after.createIndex("i", { schema: [{ fieldName: "name", type: "TEXT" }] }),
    ).rejects.toMatchObject({ code: "INDEX_EXISTS" });
    expect(await after.keys()).toEqual(["m"]);
  });

  it("makes its own connection of a URL, and closes it", async () => {
    const own = createVcr({ redis: redisUrl });
    const other = new State(own.createSession(100));
    expect(await other.increment("n", 9223372036854775807n)).toBe("9223372036854775807");
    await other.delete("n");
    await own.close();
    await expect(other.get("n")).rejects.toMatchObject({ name: "VcrStateError", op: "get" });
    expect(await state.get("n")).toBeNull();
  });

  it("survives a connection that is cut", async () => {
    client.on("error", () => undefined);
    await state.set("k", 1);
    const id = String(await client.client("ID"));
    const killer = client.duplicate();
    await killer.client("KILL", "ID", id);
    await expect.poll(() => state.get("k").catch(() => "cut")).toBe(1);
    killer.disconnect();
  });
});
