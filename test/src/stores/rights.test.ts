/**
 * The rights that docs/scale.md asks for: a user who has exactly these can do all a store does, and
 * one who lacks any of them cannot.
 */
import { readFileSync } from "node:fs";
import { Cluster, Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Json, Patch } from "../../../actors/protocol.ts";
import { postgresSchema, postgresStore } from "../../../src/postgres.ts";
import { redisStore } from "../../../src/redis.ts";
import type { StateStore } from "../../../src/stores/contract.ts";
import { collect } from "../../support/collect.ts";
import { rootUrl } from "../../support/entry-points.ts";
import { findPostgres, freshTable, runSql } from "../../support/postgres.ts";
import { startCluster, type TestCluster } from "../../support/redis-cluster.ts";
import { canStartRedis, ownRedis, type OwnRedis } from "../../support/redis.ts";

const page = readFileSync(new URL("docs/scale.md", rootUrl), "utf8");
const PASSWORD = "a-password";
const quiet = { warn: () => undefined, error: () => undefined };

/** The text of the one block of the page that begins so. */
function blockOf(language: string, start: string): string {
  const [, text] = new RegExp(`\`\`\`${language}\\n(${start}[^\`]+)\`\`\``).exec(page) ?? [];
  if (text === undefined) throw new Error(`docs/scale.md has no ${language} block of ${start}`);
  return text;
}

/** All that a store does, on one that is empty. */
async function work(open: () => StateStore): Promise<void> {
  const [store, other] = [open(), open()];
  const versions = new Map<string, number>();
  const put = async (key: string, state: Json | undefined, rest: object = {}): Promise<void> => {
    const expectedVersion = versions.get(key) ?? 0;
    const version = expectedVersion + 1;
    const answers = await store.commit([{ key, expectedVersion, version, state, ...rest }]);
    expect(answers).toEqual([{ ok: true, version }]);
    versions.set(key, version);
  };
  const text = "x".repeat(20_000);
  const patches: Patch[] = [{ op: "replace", path: ["n"], value: 2 }];
  try {
    await Promise.all([store.load(["small"]), other.load(["small"])]);
    await put("small", { n: 1 });
    await put("small", { n: 2 });
    await put("mortal", { n: 1 }, { ttlMs: 60_000 });
    await put("large", { n: 1, text });
    await put("large", { n: 2, text }, { patches });
    await put("large", { n: 2, text }, { patches, ttlMs: 60_000 });
    expect(await other.load(["large"])).toMatchObject([{ version: 3, state: { n: 2, text } }]);
    await put("large", { n: 2, text: `${text}y` });
    await put("large", undefined);
    for (const version of [1, 2, 3]) {
      const add = [{ version, at: version, entry: `change ${version}` }];
      await put("kept", { n: version }, { history: { add, keep: { versions: 1 } } });
    }
    expect(await other.history?.("kept")).toMatchObject([{ version: 3 }]);
    const stale = { key: "small", expectedVersion: 1, version: 2, state: {} };
    expect(await store.commit([stale])).toMatchObject([{ ok: false, current: { version: 2 } }]);
    expect(await collect(store.list())).toEqual(["kept", "mortal", "small"]);
    expect(await collect(store.list({ reverse: true }))).toEqual(["small", "mortal", "kept"]);
    await store.exclusive?.("small", 5_000, () => put("small", { n: 3 }));
    await other.exclusive?.("fresh", 5_000, () => Promise.resolve());
    await put("fresh", { n: 1 });
    await hear(store, other);
    expect(await store.erase?.(["small", "never"])).toEqual([true, false]);
  } finally {
    await Promise.all([store.close(), other.close()]);
  }
}

/** More writers of one record than it remembers for long. */
async function writeByMany(open: () => StateStore): Promise<void> {
  for (let version = 1; version <= 18; version += 1) {
    const store = open();
    const write = { key: "many", expectedVersion: version - 1, version, state: version };
    try {
      await store.commit([write]);
    } finally {
      await store.close();
    }
  }
}

/** One store hears of the other's commit. */
async function hear(store: StateStore, other: StateStore): Promise<void> {
  if (!other.supports.watch) return;
  let tell: (version: number) => void = () => undefined;
  const observed = new Promise<number>((resolve) => {
    tell = resolve;
  });
  // A node of a Cluster may still pass on what was committed before.
  const stop = await other.watch?.((key, version) => key === "told" && tell(version));
  await store.commit([{ key: "told", expectedVersion: 0, version: 1, state: 1 }]);
  expect(await observed).toBe(1);
  await stop?.();
}

const isRedisHere = canStartRedis();
const [, user = "", ...rules] = blockOf("text", "user ").split(/\s+/).filter(Boolean);

/** Gives the user of the page these rights and no others. */
async function giveRights(admin: Redis, given: readonly string[]): Promise<void> {
  await admin.call("ACL", "DELUSER", user);
  const set = given.map((rule) => rule.replace("PASSWORD", PASSWORD));
  await admin.call("ACL", "SETUSER", user, ...set);
}

describe.skipIf(!isRedisHere)("a Redis user", () => {
  let server: OwnRedis;
  let admin: Redis;
  beforeAll(async () => {
    server = await ownRedis();
    admin = new Redis(server.url);
  });
  afterAll(async () => {
    admin.disconnect();
    await server.stop();
  });

  async function workWith(given: readonly string[]): Promise<void> {
    await admin.call("FLUSHALL");
    await admin.call("SCRIPT", "FLUSH");
    await giveRights(admin, given);
    const url = server.url.replace("//", `//${user}:${PASSWORD}@`);
    const open = (): StateStore => redisStore({ url, timeoutMs: 2_000, logger: quiet });
    await work(open);
    await writeByMany(open);
  }

  it("with the rights of the page can do all a store does", () => workWith(rules));

  /**
   * A look at the settings, another database, a sign of life, what takes minutes to happen, and the
   * sweep, which fails no call.
   */
  const seldom = new Set(["+info", "+config|get", "+select", "+ping", "+hdel", "+zrangebyscore"]);
  const needed = rules.filter((rule) => /^[+~&]/.test(rule) && !seldom.has(rule));
  it.each(needed)("without %s cannot", async (rule) => {
    const less = rules.filter((each) => each !== rule);
    await expect(workWith(less)).rejects.toThrow();
  });
});

describe.skipIf(!isRedisHere)("a Redis user on a Cluster", () => {
  let cluster: TestCluster;
  beforeAll(async () => {
    cluster = await startCluster();
  });
  afterAll(() => cluster.remove());

  const further = /`(\+cluster[^`]+)`/.exec(page)?.[1]?.split(" ") ?? [];

  async function workWith(given: readonly string[]): Promise<void> {
    for (const node of cluster.nodes) {
      const admin = new Redis(node);
      await giveRights(admin, given);
      admin.disconnect();
    }
    const redisOptions = { username: user, password: PASSWORD };
    const client = new Cluster([...cluster.nodes], { redisOptions, lazyConnect: true });
    client.on("error", () => undefined);
    try {
      await work(() => redisStore({ client, timeoutMs: 1_000, logger: quiet }));
    } finally {
      client.disconnect();
    }
  }

  it.each(["+cluster|slots", "+cluster|info"])("without %s cannot", async (rule) => {
    const less = further.filter((each) => each !== rule);
    expect(less).toHaveLength(further.length - 1);
    await expect(workWith([...rules, ...less])).rejects.toThrow();
  });

  it("with the rights of the page can do all a store does", () => workWith([...rules, ...further]));
});

const adminUrl = await findPostgres();

describe.skipIf(adminUrl === undefined)("a PostgreSQL role", () => {
  const database = freshTable();
  const role = `${database}_role`;
  const grants = blockOf("sql", "GRANT ")
    .replaceAll(/\bholdfast\b/g, role)
    .replaceAll(/\bDATABASE app\b/g, `DATABASE ${database}`)
    .trim()
    .split("\n");
  const urlOf = (name: string): string => {
    const url = new URL(adminUrl ?? "");
    url.pathname = `/${database}`;
    if (name !== "") [url.username, url.password] = [name, PASSWORD];
    return url.href;
  };
  const sql = (text: string): Promise<unknown> => runSql(urlOf(""), text);

  beforeAll(async () => {
    await runSql(adminUrl ?? "", `CREATE DATABASE ${database}`);
    await sql(`CREATE ROLE ${role} LOGIN PASSWORD '${PASSWORD}'`);
    await sql(`REVOKE ALL ON DATABASE ${database} FROM PUBLIC`);
    await sql("REVOKE ALL ON SCHEMA public FROM PUBLIC");
  });
  afterAll(async () => {
    await runSql(adminUrl ?? "", `DROP DATABASE ${database} WITH (FORCE)`);
    await runSql(adminUrl ?? "", `DROP ROLE ${role}`);
  });

  const open = (migrate: boolean) => (): StateStore =>
    postgresStore({ url: urlOf(role), migrate, poolSize: 2, timeoutMs: 2_000, logger: quiet });

  it("that may make the tables does so", async () => {
    await sql(`GRANT CONNECT ON DATABASE ${database} TO ${role}`);
    await sql(`GRANT USAGE ON SCHEMA public TO ${role}`);
    await expect(work(open(true))).rejects.toThrow();
    await sql(`GRANT CREATE ON SCHEMA public TO ${role}`);
    await work(open(true));
    // The tables and the rights go with it.
    await sql(`DROP OWNED BY ${role}`);
  });

  it("with the rights of the page can do all a store does", async () => {
    await sql(postgresSchema());
    for (const grant of grants) await sql(grant);
    await work(open(false));
  });

  const single = grants.flatMap((grant) => {
    const [, rights = "", rest = ""] = /^GRANT ([A-Z, ]+) (ON .+);$/.exec(grant) ?? [];
    return rights.split(", ").map((right) => ({ right, place: rest.replace(" TO ", " FROM ") }));
  });
  it.each(single)("without $right $place cannot", async ({ right, place }) => {
    await sql("TRUNCATE holdfast_record, holdfast_patch, holdfast_history");
    await sql(`REVOKE ${right} ${place}`);
    await expect(work(open(false))).rejects.toThrow();
    await sql(`GRANT ${right} ${place.replace(" FROM ", " TO ")}`);
  });
});
