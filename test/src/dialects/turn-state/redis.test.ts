/** Documents in Redis: byte for byte, command for command, and what a lost connection does. */
import { createHash, randomUUID } from "node:crypto";
import { RedisStorage, runTurn, TurnState, type CommandClient } from "holdfast/turn-state";
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { canStartRedis, findRedis, ownRedis, type OwnRedis } from "../../../support/redis.ts";
import { rejection } from "../../../support/waiting.ts";
import { activity } from "./places.ts";

const redisUrl = (await findRedis()) ?? "";

const isThere = redisUrl !== "";
const key = "msteams/b1/conversations/c1";
const record = { count: 1, name: "héllo", nested: { a: [1, null] }, empty: {}, arr: [] };

function count(storage: RedisStorage): Promise<void> {
  return runTurn(storage, activity("c1"), (state) => {
    state.conversation.set("n", (state.conversation.get("n", 0) ?? 0) + 1);
    state.user.set("n", 1);
  });
}

/** A client of the shape the original takes; it writes down what it was asked. */
class FakeClient implements CommandClient {
  isOpen = false;
  readonly calls: string[] = [];
  readonly texts: Map<string, string> = new Map<string, string>();

  async connect(): Promise<void> {
    this.calls.push("connect");
    await Promise.resolve();
    this.isOpen = true;
  }

  async GET(name: string): Promise<string | null> {
    this.calls.push(`GET ${name}`);
    return Promise.resolve(this.texts.get(name) ?? null);
  }

  async SET(name: string, text: string): Promise<string> {
    this.calls.push(`SET ${name} ${text}`);
    this.texts.set(name, text);
    return Promise.resolve("OK");
  }

  async DEL(name: string): Promise<number> {
    this.calls.push(`DEL ${name}`);
    return Promise.resolve(this.texts.delete(name) ? 1 : 0);
  }

  async quit(): Promise<void> {
    this.calls.push("quit");
    this.isOpen = false;
    return Promise.resolve();
  }
}

describe("a client of the original's shape", () => {
  it("is opened once and gets one plain command for each document", async () => {
    const client = new FakeClient();
    const storage = new RedisStorage(client);
    const documents = { "msteams/b1/users/u1": {}, [key]: { count: 1, name: "héllo" } };
    await Promise.all([storage.write(documents), storage.read(["a", "b", "c"])]);
    await storage.delete(["a", "b"]);
    expect(client.calls.toSorted()).toEqual([
      "DEL botas:a",
      "DEL botas:b",
      "GET botas:a",
      "GET botas:b",
      "GET botas:c",
      `SET botas:${key} {"count":1,"name":"héllo"}`,
      "SET botas:msteams/b1/users/u1 {}",
      "connect",
    ]);
  });

  it("works in turns without scripts", async () => {
    const storage = new RedisStorage(new FakeClient());
    await Promise.all(Array.from({ length: 20 }, () => count(storage)));
    expect(await storage.read([key])).toEqual({ [key]: { n: 20 } });
  });

  it("is ended only by who owns it, and refuses work after close", async () => {
    for (const ownsClient of [true, false]) {
      const client = new FakeClient();
      const storage = new RedisStorage(client, { ownsClient });
      await storage.read(["a"]);
      await Promise.all([storage.close(), storage.close()]);
      expect(client.calls.includes("quit")).toBe(ownsClient);
      await expect(storage.read(["a"])).rejects.toMatchObject({ code: "STORE_CLOSED" });
    }
  });
});

describe("a cluster", () => {
  it("is asked for each document on its own, and a conflict names the one that failed", async () => {
    const inner = new FakeClient();
    const scripted = Object.assign(inner, {
      EVAL(_text: string, given: { keys: string[]; arguments: string[] }): Promise<number> {
        if (given.keys.length > 1)
          return Promise.reject(new Error("CROSSSLOT Keys in request don't hash to the same slot"));
        const [name = ""] = given.keys;
        const [expected, next = ""] = given.arguments;
        const now = inner.texts.get(name);
        const digest = now === undefined ? "" : createHash("sha1").update(now).digest("hex");
        if (digest !== expected) return Promise.resolve(0);
        inner.texts.set(name, next);
        return Promise.resolve(1);
      },
    });
    const storage = new RedisStorage(scripted);
    const turn = runTurn(storage, activity("c1"), async (state) => {
      state.conversation.set("n", 1);
      state.user.set("n", 1);
      await storage.write({ "msteams/b1/users/u1": { n: 5 } });
    });
    await expect(turn).rejects.toMatchObject({
      code: "CONCURRENT_MODIFICATION",
      scope: { type: "user", id: "msteams/b1/users/u1" },
    });
    expect(inner.texts.get(`botas:${key}`)).toBe('{"n":1}');
  });
});

describe.skipIf(!isThere)("a server", () => {
  const keyPrefix = `holdfast-test:${randomUUID()}:`;
  let client: Redis;

  beforeAll(() => {
    client = new Redis(redisUrl);
  });

  afterAll(async () => {
    const keys = await client?.keys(`${keyPrefix}*`);
    if (keys !== undefined && keys.length > 0) await client.del(keys);
    await client?.quit();
  });

  it.each([
    [record, 71, "91bce25a3582933f0364c70c13da26f28e72c8059f241a5de8bfae93b53e44a0"],
    [{ count: 2 }, 11, "57413ce83ee1d989e384dfd3a82c6e2d9052a23c4204706bd2d7df11aa4c2d7c"],
  ])("keeps %j in the original's bytes", async (document, length, digest) => {
    const storage = new RedisStorage(client, { keyPrefix });
    await runTurn(storage, activity("c1"), (state) => {
      state.conversation.clear();
      for (const [name, value] of Object.entries(document)) state.conversation.set(name, value);
    });
    const bytes = await client.getBuffer(keyPrefix + key);
    expect(bytes?.length).toBe(length);
    expect(
      createHash("sha256")
        .update(bytes ?? "")
        .digest("hex"),
    ).toBe(digest);
    expect(await client.ttl(keyPrefix + key)).toBe(-1);
  });

  it("gives documents the other ports wrote", async () => {
    await client.set(`${keyPrefix}python`, '{"count": 1, "name": "héllo"}');
    const storage = new RedisStorage(client, { keyPrefix });
    expect(await storage.read(["python"])).toEqual({ python: { count: 1, name: "héllo" } });
  });

  it("refuses damaged documents and sets them aside", async () => {
    const storage = new RedisStorage(client, { keyPrefix });
    await client.set(`${keyPrefix}msteams/b1/conversations/bad`, "{");
    await client.lpush(`${keyPrefix}list`, "x");
    const corrupt = { code: "CORRUPT_STATE" };
    await expect(storage.read(["list"])).rejects.toMatchObject(corrupt);
    const turn = runTurn(storage, activity("bad"), () => undefined);
    await expect(turn).rejects.toMatchObject(corrupt);
    const logger = { warn: () => undefined, error: () => undefined };
    const options = { onCorrupt: "quarantine", logger } as const;
    await runTurn(storage, activity("bad"), (state) => state.conversation.set("n", 1), options);
    expect(await storage.read(["msteams/b1/conversations/bad"])).toEqual({
      "msteams/b1/conversations/bad": { n: 1 },
    });
    const aside = await client.keys(`${keyPrefix}msteams/b1/conversations/bad:corrupt:*`);
    expect(await client.mget(aside)).toEqual(["{"]);
  });

  it("replaces both documents of a turn or none", async () => {
    const storage = new RedisStorage(client, { keyPrefix });
    const state = await TurnState.load(storage, activity("both", "both"));
    state.conversation.set("n", 1);
    state.user.set("n", 1);
    await storage.write({ "msteams/b1/users/both": { n: 7 } });
    await expect(state.save()).rejects.toMatchObject({ code: "CONCURRENT_MODIFICATION" });
    const keys = ["msteams/b1/conversations/both", "msteams/b1/users/both"];
    expect(await storage.read(keys)).toEqual({ "msteams/b1/users/both": { n: 7 } });
  });
});

describe.skipIf(!canStartRedis())("a lost connection", () => {
  let server: OwnRedis;

  beforeAll(async () => {
    server = await ownRedis();
  });

  afterAll(async () => server?.remove());

  it("is made again when it was killed", async () => {
    const storage = new RedisStorage(server.url);
    const admin = new Redis(server.url);
    await count(storage);
    await admin.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    await count(storage);
    expect(await storage.read([key])).toEqual({ [key]: { n: 2 } });
    await storage.close();
    await admin.quit();
  });

  it("is a typed error while the server is away, and work goes on when it is back", async () => {
    const storage = new RedisStorage(server.url);
    await storage.write({ a: { n: 1 } });
    await server.stop();
    const refused = { code: "STORE_UNAVAILABLE" };
    await expect(storage.read(["a"])).rejects.toMatchObject(refused);
    await expect(new RedisStorage(server.url).read(["a"])).rejects.toMatchObject(refused);
    await server.start();
    await expect.poll(() => storage.read(["a"])).toEqual({});
    await storage.close();
  });

  it("in the middle of a save is an unknown outcome", async () => {
    const storage = new RedisStorage(server.url);
    const admin = new Redis(server.url);
    const turn = runTurn(storage, activity("c1"), async (state) => {
      state.conversation.set("mid", 1);
      await admin.call("CLIENT", "PAUSE", "100000", "WRITE");
    });
    const outcome = rejection(turn, "COMMIT_UNKNOWN");
    // The save is sent and not answered: then the connection goes.
    await expect.poll(() => admin.call("CLIENT", "LIST"), { timeout: 20_000 }).toMatch(/ flags=b /);
    await admin.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    await outcome;
    await admin.call("CLIENT", "UNPAUSE");
    await storage.close();
    await admin.quit();
  });
});
