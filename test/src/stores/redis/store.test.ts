/** What a Redis can be that a store did not hope for: away, locked, full of others' keys. */
import { inspect } from "node:util";
import { Cluster, Redis } from "ioredis";
import { afterAll, describe, expect, it, onTestFinished } from "vitest";
import { redisStore } from "../../../../src/stores/redis/store.ts";
import type { RedisStoreOptions } from "../../../../src/stores/redis/options.ts";
import type { Json } from "../../../../actors/protocol.ts";
import type { ScopeWrite, StateStore } from "../../../../src/stores/contract.ts";
import { durableSettings, canStartRedis, ownRedis } from "../../../support/redis.ts";
import { startProxy } from "../../../support/tcp-proxy.ts";
import { keepingLogger, served } from "../../../support/waiting.ts";

const SECRET = "swordfish";
/** The limit of a call that is to fail by it. */
const SHORT_MS = 400;

function write(key: string, version: number, state: Json = { secret: SECRET }): ScopeWrite {
  return { key, expectedVersion: version - 1, version, state };
}

function open(options: RedisStoreOptions): StateStore {
  const store = redisStore({ appendfsync: "no", timeoutMs: 20_000, ...options });
  onTestFinished(() => store.close());
  return store;
}

/** The error of a rejection, after a look that it tells no secret. */
async function failure(work: Promise<unknown>): Promise<Error & { readonly code?: string }> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof Error)) throw new Error("it did not fail");
  expect(inspect(error, { depth: 9 })).not.toContain(SECRET);
  return error;
}

async function refused(work: Promise<unknown>, code: string, advice: RegExp): Promise<void> {
  const error = await failure(work);
  expect([error.code, error.message]).toEqual([code, expect.stringMatching(advice)]);
}

describe("options of redisStore", () => {
  it("name one server", () => {
    const client = new Redis({ lazyConnect: true });
    expect(() => redisStore({})).toThrow(TypeError);
    expect(() => redisStore({ url: "redis://localhost", client })).toThrow(TypeError);
    for (const text of ["", "localhost:6379", "http://localhost", "redis://a b", SECRET])
      expect(() => redisStore({ url: text })).toThrow(/^url must be redis:/);
    client.disconnect();
  });

  it("are numbers where numbers are asked for, and levels that exist", () => {
    const url = "redis://localhost";
    const bad = Number.NaN;
    for (const timeoutMs of [bad, 0, -1, Infinity])
      expect(() => redisStore({ url, timeoutMs })).toThrow(RangeError);
    expect(() => redisStore({ url, wait: { replicas: bad, timeoutMs: 1 } })).toThrow(RangeError);
    expect(() => redisStore({ url, wait: { replicas: 1, timeoutMs: bad } })).toThrow(RangeError);
    expect(() => redisStore({ url, waitAof: { local: 1, replicas: bad, timeoutMs: 1 } })).toThrow(
      RangeError,
    );
    expect(() => redisStore({ url, keyPrefix: "{a}" })).toThrow(TypeError);
    // A caller without types can pass any text.
    const appendfsync = "allways" as "always";
    expect(() => redisStore({ url, appendfsync })).toThrow(RangeError);
  });
});

if (canStartRedis()) {
  const server = await ownRedis(durableSettings);
  const admin = new Redis(server.url);
  admin.on("error", () => undefined);
  let last = 0;
  afterAll(async () => {
    admin.disconnect();
    await server.remove();
  });
  const prefix = (): string => `t${(last += 1)}:`;
  const url = (user: string, path = ""): string =>
    `redis://${user}@127.0.0.1:${server.port}${path}`;

  describe("a redis that cannot be used", () => {
    it("is away at the start and comes back: every call ends, the next ones work", async () => {
      const proxy = await startProxy(server.port);
      onTestFinished(() => proxy.close());
      proxy.refuse();
      const store = open({
        url: `redis://:${SECRET}@127.0.0.1:${proxy.port}`,
        keyPrefix: prefix(),
        timeoutMs: SHORT_MS,
      });
      await refused(store.load(["k"]), "STORE_UNAVAILABLE", /try again when the server is back/);
      await refused(store.commit([write("k", 1)]), "STORE_UNAVAILABLE", /nothing of it took/);
      await refused(
        store.watch?.(() => undefined) ?? Promise.resolve(),
        "STORE_UNAVAILABLE",
        /try/,
      );
      proxy.accept();
      expect(await served(() => store.load(["k"]))).toEqual([undefined]);
    });

    it("comes back: not one call after it is refused, however short a call may last", async () => {
      const proxy = await startProxy(server.port);
      onTestFinished(() => proxy.close());
      const at = { url: `redis://127.0.0.1:${proxy.port}`, keyPrefix: prefix(), timeoutMs: 1_000 };
      const store = open(at);
      await store.load(["k"]);
      proxy.refuse();
      await Promise.all(
        [1, 2, 3].map(() => refused(store.load(["k"]), "STORE_UNAVAILABLE", /did not serve/)),
      );
      proxy.accept();
      for (let n = 1; n <= 25; n += 1)
        expect(await store.commit([write("k", n)])).toEqual([{ ok: true, version: n }]);
    });

    it("takes a connection and never answers it: the same call is served by the next", async () => {
      const proxy = await startProxy(server.port);
      onTestFinished(() => proxy.close());
      const at = { url: `redis://127.0.0.1:${proxy.port}`, keyPrefix: prefix(), timeoutMs: 3_000 };
      const store = open(at);
      for (const call of [() => store.load(["k"]), () => store.watch?.(() => undefined)]) {
        const ignored = proxy.ignore();
        const reply = call();
        await ignored;
        proxy.accept();
        await reply;
      }
    });

    it("is away for a while and comes back, also for a given client of few retries", async () => {
      const own = await ownRedis();
      onTestFinished(() => own.remove());
      const client = new Redis(own.url, { retryStrategy: () => null });
      onTestFinished(() => client.disconnect());
      const given = open({ client, timeoutMs: SHORT_MS });
      const store = open({ url: own.url, timeoutMs: SHORT_MS });
      for (const each of [given, store]) await served(() => each.load(["k"]));
      await own.stop();
      for (const each of [given, store]) {
        await refused(each.load(["k"]), "STORE_UNAVAILABLE", /did not serve/);
        await refused(each.commit([write("k", 1)]), "STORE_UNAVAILABLE", /nothing of it took/);
      }
      await own.start();
      for (const each of [given, store])
        expect(await served(() => each.load(["k"]))).toEqual([undefined]);
    });

    it("stands still at the start and goes on", async () => {
      const own = await ownRedis();
      onTestFinished(() => own.remove());
      const store = open({ url: own.url, timeoutMs: SHORT_MS });
      own.signal("SIGSTOP");
      await refused(store.load(["k"]), "STORE_UNAVAILABLE", /did not serve/);
      await refused(store.commit([write("k", 1)]), "STORE_UNAVAILABLE", /nothing of it took/);
      own.signal("SIGCONT");
      expect(await served(() => store.load(["k"]))).toEqual([undefined]);
      const patient = open({ url: own.url });
      expect(await patient.commit([write("k", 1)])).toEqual([{ ok: true, version: 1 }]);
    });

    it("wants another password", async () => {
      await admin.acl("SETUSER", "ann", "on", ">right", "~*", "&*", "+@all");
      const store = open({ url: url(`ann:${SECRET}`), timeoutMs: 60_000 });
      await refused(store.load(["k"]), "STORE_UNAVAILABLE", /WRONGPASS.*check those of the url/);
      await refused(store.commit([write("k", 1)]), "STORE_UNAVAILABLE", /WRONGPASS/);
      // Somebody sets it right, and the same store works.
      await admin.acl("SETUSER", "ann", `>${SECRET}`);
      expect(await served(() => store.load(["k"]))).toEqual([undefined]);
    });

    it("allows too little", async () => {
      const keyPrefix = prefix();
      await admin.acl("SETUSER", "bob", "on", ">pass", `~${keyPrefix}*`, "resetchannels", "+@all");
      const store = open({ url: url("bob:pass"), keyPrefix });
      await refused(
        store.commit([write("k", 1)]),
        "STORE_UNAVAILABLE",
        /keys, channel and commands/,
      );
      expect(await admin.exists(`${keyPrefix}{k}`)).toBe(0);
      await refused(open({ url: url("bob:pass") }).load(["k"]), "STORE_UNAVAILABLE", /NOPERM/);
      await admin.acl("SETUSER", "bob", `&${keyPrefix}feed`);
      expect(await store.commit([write("k", 1)])).toEqual([{ ok: true, version: 1 }]);
    });

    it("allows a script to begin and not to end: the outcome is unknown, with the cause", async () => {
      const keyPrefix = prefix();
      await admin.acl("SETUSER", "kim", "on", ">pass", "~*", "&*", "+@all", "-hset");
      const store = open({ url: url("kim:pass"), keyPrefix, timeoutMs: 60_000 });
      const state = { secret: SECRET.repeat(2_000) };
      const error = await failure(store.commit([write("k", 1, state)]));
      expect([error.code, error.cause]).toMatchObject([
        "COMMIT_UNKNOWN",
        { message: expect.stringMatching(/keys, channel and commands/) },
      ]);
      expect(await admin.exists(`${keyPrefix}{k}:base`)).toBe(1);
    });

    it("allows just what the store needs", async () => {
      const keyPrefix = prefix();
      const scripts = "evalsha eval time publish exists get set del persist pexpireat";
      const kinds = "hmget hset hget hlen hkeys hdel rpush lrange zadd zrangebylex";
      const rights = `${scripts} ${kinds} subscribe ping info config|get select`;
      const commands = rights.split(" ").map((name) => `+${name}`);
      const place = [`~${keyPrefix}*`, `&${keyPrefix}feed`];
      await admin.acl("SETUSER", "min", "on", ">pass", ...place, "-@all", ...commands);
      const [store, other] = [0, 1].map(() => open({ url: url("min:pass"), keyPrefix }));
      if (store === undefined || other === undefined) throw new Error("no stores");
      const notified = new Promise<void>((resolve) => {
        void store.watch?.(() => resolve()).then(() => other.commit([write("told", 1)]));
      });
      const text = "x".repeat(10_000);
      for (let n = 1; n <= 3; n += 1) {
        const patches = [{ op: "replace" as const, path: ["n"], value: n }];
        await store.commit([{ ...write("k", n, { n, text }), patches, ttlMs: 60_000 }]);
      }
      await store.exclusive?.("k", 1_000, () => store.commit([write("k", 4)]));
      await notified;
      const keys: string[] = [];
      for await (const key of store.list()) keys.push(key);
      expect(keys).toEqual(["k", "told"]);
      expect((await other.load(["k"]))[0]?.version).toBe(4);
    });

    it("has no such database", async () => {
      const store = open({ url: `${server.url}/99`, timeoutMs: 60_000 });
      await refused(store.load(["k"]), "STORE_UNAVAILABLE", /no database of that number/);
      await refused(store.commit([write("k", 1)]), "STORE_UNAVAILABLE", /no database/);
      expect(await admin.exists("holdfast:{k}")).toBe(0);
      const other = open({ url: `${server.url}/1`, keyPrefix: prefix() });
      await other.commit([write("k", 1)]);
      expect(
        (await open({ url: server.url, keyPrefix: `t${last}:` }).load(["k"]))[0],
      ).toBeUndefined();
    });

    it("is a replica that only reads", async () => {
      const replica = await ownRedis(["--save", "", "--replicaof", "127.0.0.1", `${server.port}`]);
      onTestFinished(() => replica.remove());
      // It may become a primary again, so a call is repeated until its limit.
      const store = open({ url: replica.url, keyPrefix: prefix(), timeoutMs: 1_000 });
      const refusal = async (): Promise<string> => {
        const { code, message } = await failure(store.commit([write("k", 1)]));
        return `${code}: ${message}`;
      };
      await expect.poll(refusal).toMatch(/^STORE_UNAVAILABLE: .*connect to the primary/);
    });

    it("is out of memory", async () => {
      const full = await ownRedis(["--save", "", "--maxmemory", "1mb"]);
      onTestFinished(() => full.remove());
      const store = open({ url: full.url });
      const state = { secret: SECRET.repeat(100_000) };
      const fill = async (n: number): Promise<void> => {
        await store.commit([write(`k${n}`, 1, state)]);
        await fill(n + 1);
      };
      await refused(fill(0), "STORE_UNAVAILABLE", /OOM.*raise maxmemory/);
      const keys: string[] = [];
      for await (const key of store.list()) keys.push(key);
      const records = await store.load(keys);
      expect(records.every((record) => record?.version === 1)).toBe(true);
    });
  });

  describe("keys of others under the prefix", () => {
    it.each([
      ["a list in place of a lease", ":lease", (key: string) => admin.lpush(key, "x")],
      ["a list in place of a head", "", (key: string) => admin.lpush(key, "x")],
      ["a text in place of a head", "", (key: string) => admin.set(key, SECRET)],
      ["a hash of another kind", "", (key: string) => admin.hset(key, "name", SECRET)],
      ["a text in place of a base", ":base", (key: string) => admin.set(key, SECRET)],
      ["a text in place of a log", ":log", (key: string) => admin.set(key, SECRET)],
      ["a text in place of a history", ":history", (key: string) => admin.set(key, SECRET)],
      ["a list in place of a history", ":history", (key: string) => admin.rpush(key, SECRET)],
    ])("%s: named and kept", async (_name, suffix, put) => {
      const keyPrefix = prefix();
      const store = open({ url: server.url, keyPrefix });
      const redisKey = `${keyPrefix}{k}${suffix}`;
      await put(redisKey);
      const before = await admin.dump(redisKey);
      await refused(
        store.commit([write("k", 1)]),
        "CORRUPT_STATE",
        /Redis key t\d+:\{k\}.*another/,
      );
      if (suffix === "") await refused(store.load(["k"]), "CORRUPT_STATE", /another keyPrefix/);
      expect(await admin.dump(redisKey)).toEqual(before);
      expect(await admin.keys(`${keyPrefix}{k}*`)).toEqual([redisKey]);
      // It goes away, and the same store works.
      await admin.del(redisKey);
      expect(await store.commit([write("k", 1)])).toEqual([{ ok: true, version: 1 }]);
    });

    it("spoil one batch at most for the others in it", async () => {
      const keyPrefix = prefix();
      const store = open({ url: server.url, keyPrefix });
      await admin.set(`${keyPrefix}{foreign}`, "x");
      const batch = [write("good", 1), write("foreign", 1)];
      await refused(store.commit(batch), "COMMIT_UNKNOWN", /read the state/);
      expect((await store.load(["good"]))[0]?.version).toBe(1);
      const next = [write("good", 2), write("foreign", 1)];
      await refused(store.commit(next), "CORRUPT_STATE", /foreign/);
      expect((await store.load(["good"]))[0]?.version).toBe(1);
    });

    it("a record of a newer format is left alone", async () => {
      const keyPrefix = prefix();
      const store = open({ url: server.url, keyPrefix });
      await admin.hset(`${keyPrefix}{k}`, { f: "2", v: "7", secret: SECRET });
      await refused(store.load(["k"]), "STORE_UNAVAILABLE", /format 2.*update holdfast/);
      await refused(store.commit([write("k", 8)]), "STORE_UNAVAILABLE", /update holdfast/);
      expect(await admin.hget(`${keyPrefix}{k}`, "v")).toBe("7");
    });

    it.each([
      ["a base that is gone", (key: string) => admin.del(`${key}:base`), /base is missing/],
      ["a log with a gap", (key: string) => admin.lpop(`${key}:log`), /no patch after version 1/],
      ["a log cut short", (key: string) => admin.rpop(`${key}:log`), /end at version 2/],
      ["a base that is no JSON", (key: string) => admin.set(`${key}:base`, SECRET), /not JSON/],
      ["a version that is none", (key: string) => admin.hset(key, "v", "x"), /no number/],
      ["a state that is no JSON", (key: string) => admin.hset(key, "m", "i"), /not JSON/],
    ])("%s is told as damage", async (_name, spoil, reason) => {
      const keyPrefix = prefix();
      const store = open({ url: server.url, keyPrefix });
      const text = SECRET.repeat(2_000);
      const set = (n: number) => ({
        ...write("k", n, { n, text }),
        patches: [{ op: "replace" as const, path: ["n"], value: n }],
      });
      for (let n = 1; n <= 3; n += 1) await store.commit([set(n)]);
      expect((await store.load(["k"]))[0]?.state).toEqual({ n: 3, text });
      await spoil(`${keyPrefix}{k}`);
      await refused(store.load(["k"]), "CORRUPT_STATE", reason);
    });
  });

  describe("limits and promises", () => {
    it("a state over the server's limit is refused before it is sent, with its sizes", async () => {
      const small = await ownRedis(["--save", "", "--proto-max-bulk-len", "1mb"]);
      onTestFinished(() => small.remove());
      const store = open({ url: small.url, timeoutMs: 5_000 });
      const state = { secret: SECRET.repeat(200_000) };
      const work = store.commit([write("good", 1), write("k", 1, state)]);
      await expect(work).rejects.toMatchObject({ code: "STATE_TOO_LARGE", limitBytes: 1_048_576 });
      expect(await store.load(["good", "k"])).toEqual([undefined, undefined]);
      await store.commit([write("good", 1)]);
    });

    it("a record does not carry the writers of long ago along", async () => {
      const keyPrefix = prefix();
      const key = `${keyPrefix}{k}`;
      await open({ url: server.url, keyPrefix }).commit([write("k", 1)]);
      for (let n = 0; n < 5; n += 1) await admin.hset(key, `o:gone${n}`, "1000 1");
      await open({ url: server.url, keyPrefix }).commit([write("k", 2)]);
      const owners = (await admin.hkeys(key)).filter((field) => field.startsWith("o:"));
      expect([owners.length, owners.filter((name) => name.includes("gone"))]).toEqual([2, []]);
    });

    it("a time beyond Redis' own numbers is as good as none", async () => {
      const store = open({ url: server.url, keyPrefix: prefix() });
      const ttlMs = 1e300;
      expect(await store.commit([{ ...write("k", 1), ttlMs }])).toEqual([{ ok: true, version: 1 }]);
      expect((await store.load(["k"]))[0]?.leftMs).toBeGreaterThan(1e14);
      expect(await store.exclusive?.("k", ttlMs, async () => 1)).toBe(1);
    });

    it("settings that keep the promise are not spoken of, weaker ones are, once", async () => {
      const logger = keepingLogger();
      const strong = open({ url: server.url, logger, appendfsync: "always", keyPrefix: prefix() });
      await strong.load(["k"]);
      expect(logger.messages).toEqual([]);
      const weak = await ownRedis(["--save", "", "--maxmemory-policy", "allkeys-lru"]);
      onTestFinished(() => weak.remove());
      const store = open({ url: weak.url, logger, appendfsync: "everysec" });
      for (let n = 0; n < 3; n += 1) await store.load(["k"]);
      expect(logger.messages).toEqual([
        expect.stringMatching(/append-only.*allkeys-lru.*noeviction/),
      ]);
    });

    it("settings that may not be asked for are said to be unchecked", async () => {
      const logger = keepingLogger();
      const rights = ["on", ">pass", "~*", "&*", "+@all", "-config", "-info"];
      await admin.acl("SETUSER", "eve", ...rights);
      await open({ url: url("eve:pass"), logger, appendfsync: "always" }).load(["k"]);
      expect(logger.messages).toEqual([expect.stringMatching(/could not be checked/)]);
    });

    it("WAIT for more replicas than there are leaves the outcome unknown and says why", async () => {
      const keyPrefix = prefix();
      const wait = { replicas: 1, timeoutMs: 50 };
      const store = open({ url: server.url, keyPrefix, wait });
      const error = await failure(store.commit([write("k", 1)]));
      expect([error.code, error.cause]).toMatchObject([
        "COMMIT_UNKNOWN",
        { message: expect.stringMatching(/0 of 1 replicas/) },
      ]);
      expect((await store.load(["k"]))[0]?.version).toBe(1);
      await admin.config("SET", "repl-diskless-sync-delay", "0");
      const replica = await ownRedis(["--save", "", "--replicaof", "127.0.0.1", `${server.port}`]);
      onTestFinished(() => replica.remove());
      // A replica that is connected and has the data; before that WAIT does not count it.
      while (!(await admin.info("replication")).includes("state=online"))
        await new Promise(setImmediate);
      const patient = { replicas: 1, timeoutMs: 5_000 };
      const waiting = open({ url: server.url, keyPrefix, wait: patient, timeoutMs: 10_000 });
      expect(await waiting.commit([write("k", 2)])).toEqual([{ ok: true, version: 2 }]);
    });

    it("WAIT that the user may not send leaves the outcome unknown, for all of a batch", async () => {
      const keyPrefix = prefix();
      await admin.acl("SETUSER", "pat", "on", ">pass", "~*", "&*", "+@all", "-wait");
      await open({ url: server.url, keyPrefix }).commit([write("k", 1)]);
      await admin.set(`${keyPrefix}{foreign}`, "x");
      const wait = { replicas: 1, timeoutMs: 50 };
      const store = open({ url: url("pat:pass"), keyPrefix, wait });
      const error = await failure(store.commit([write("foreign", 2), write("k", 2)]));
      expect([error.code, error.cause]).toMatchObject([
        "COMMIT_UNKNOWN",
        { message: "WAIT was refused (NOPERM)" },
      ]);
      expect((await store.load(["k"]))[0]?.version).toBe(2);
    });

    it("WAIT that a change of roles ends is sent again, and its write is not done twice", async () => {
      const own = await ownRedis();
      onTestFinished(() => own.remove());
      const client = new Redis(own.url);
      onTestFinished(() => client.disconnect());
      await client.config("SET", "repl-diskless-sync-delay", "0");
      await open({ url: own.url }).commit([write("k", 1)]);
      const wait = { replicas: 1, timeoutMs: 60_000 };
      const store = open({ url: own.url, wait, timeoutMs: 20_000 });
      const commit = store.commit([write("k", 2)]);
      while (!(await client.info("clients")).includes("blocked_clients:1"))
        await new Promise(setImmediate);
      await client.replicaof("127.0.0.1", 1);
      await client.replicaof("NO", "ONE");
      const settings = ["--save", "", "--replicaof", "127.0.0.1", `${own.port}`];
      const replica = await ownRedis(settings);
      onTestFinished(() => replica.remove());
      expect(await commit).toEqual([{ ok: true, version: 2 }]);
      expect((await store.load(["k"]))[0]?.version).toBe(2);
    });

    it("WAITAOF works, or a server that is too old for it is named", async () => {
      const waitAof = { local: 1, replicas: 0, timeoutMs: 5_000 } as const;
      const store = open({ url: server.url, keyPrefix: prefix(), waitAof });
      const info = await admin.info("server");
      const [, major = "0", minor = "0"] = /redis_version:(\d+)\.(\d+)/.exec(info) ?? [];
      const isKnown = Number(major) > 7 || (major === "7" && Number(minor) >= 2);
      const work = store.commit([write("k", 1)]);
      if (isKnown) expect(await work).toEqual([{ ok: true, version: 1 }]);
      else await refused(work, "STORE_UNAVAILABLE", /waitAof needs Redis 7\.2/);
    });
  });

  describe("who watches", () => {
    it("is told that he missed something, after he is heard of again", async () => {
      const proxy = await startProxy(server.port);
      onTestFinished(() => proxy.close());
      const keyPrefix = prefix();
      const other = open({ url: server.url, keyPrefix });
      const store = open({ url: `redis://127.0.0.1:${proxy.port}`, keyPrefix, timeoutMs: 5_000 });
      const observed: string[] = [];
      let look: () => void = () => undefined;
      const say = (line: string): void => {
        observed.push(line);
        look();
      };
      const until = (line: string): Promise<void> =>
        new Promise((resolve) => {
          look = () => (observed.includes(line) ? resolve() : undefined);
          look();
        });
      await store.watch?.(
        (key, version) => say(`${key} ${version}`),
        () => say("missed"),
      );
      await other.commit([write("k", 1)]);
      await until("k 1");
      proxy.refuse();
      await other.commit([write("k", 2)]);
      expect(observed).toEqual(["k 1"]);
      proxy.accept();
      await until("missed");
      await other.commit([write("k", 3)]);
      await until("k 3");
      expect(observed).toEqual(["k 1", "missed", "k 3"]);
    });

    it("may throw: others are told, and the logger", async () => {
      const logger = keepingLogger();
      const keyPrefix = prefix();
      const other = open({ url: server.url, keyPrefix });
      const store = open({ url: server.url, keyPrefix, logger });
      await store.watch?.(() => {
        throw new Error(SECRET);
      });
      const notified = new Promise<string>((resolve) => {
        void store.watch?.(resolve).then(() => other.commit([write("k", 1)]));
      });
      expect(await notified).toBe("k");
      expect(logger.messages).toEqual([expect.stringContaining("watcher")]);
    });
  });

  it("a given client is left open, and its own prefix is kept apart", async () => {
    const client = new Redis(server.url, { keyPrefix: prefix() });
    onTestFinished(() => client.disconnect());
    const keyPrefix = prefix();
    const [mine, other] = [
      redisStore({ client, keyPrefix, appendfsync: "no" }),
      open({ url: server.url, keyPrefix }),
    ];
    await mine.commit([write("k", 1)]);
    expect(await other.load(["k"])).toEqual([undefined]);
    await mine.close();
    expect(await client.ping()).toBe("PONG");
    expect(client.listenerCount("error")).toBe(0);
  });

  it("a server alone is no cluster, and says so to the client of one", async () => {
    const client = new Cluster([{ host: "127.0.0.1", port: server.port }], { lazyConnect: true });
    client.on("error", () => undefined);
    onTestFinished(() => client.disconnect());
    const store = redisStore({ client, appendfsync: "no", timeoutMs: SHORT_MS });
    onTestFinished(() => store.close());
    await refused(store.load(["k"]), "STORE_UNAVAILABLE", /cluster support disabled/);
  });

  it("a given client that never gets a connection keeps no listener of a closed store", async () => {
    const proxy = await startProxy(server.port);
    onTestFinished(() => proxy.close());
    const ignored = proxy.ignore();
    const client = new Redis(proxy.port);
    onTestFinished(() => client.disconnect());
    await ignored;
    const before = client.eventNames();
    const store = redisStore({ client, appendfsync: "no", timeoutMs: SHORT_MS });
    await refused(store.load(["k"]), "STORE_UNAVAILABLE", /no connection in time/);
    await store.close();
    expect(client.eventNames()).toEqual(before);
  });
} else {
  it.skip("a redis that cannot be used");
}
