/** What the makers of stores are given by mistake is told at once, and without secrets. */
import { Client, Pool } from "pg";
import { Redis } from "ioredis";
import { expect, it } from "vitest";
import { fileStore } from "../../../src/stores/file/store.ts";
import { postgresStore } from "../../../src/stores/postgres/store.ts";
import { redisStore } from "../../../src/stores/redis/store.ts";
import { sqliteStore } from "../../../src/stores/sqlite/store.ts";

const makers = { fileStore, postgresStore, redisStore, sqliteStore };

/** The message of the `TypeError` that `make` throws. */
function refusal(make: () => unknown): string {
  try {
    make();
  } catch (error) {
    expect(error).toBeInstanceOf(TypeError);
    return error instanceof Error ? error.message : "";
  }
  throw new Error("it was taken");
}

it.each(Object.entries(makers))("%s has options, and no others", (name, maker) => {
  const make = maker as (options?: unknown) => unknown;
  expect(refusal(() => make())).toContain(`${name} needs an object with its options: `);
  expect(refusal(() => make("redis://localhost"))).toContain(`${name} needs an object`);
  expect(refusal(() => make({ prefix: "a" }))).toContain(`${name} has no option "prefix"; it has`);
});

it.each([
  "redis:127.0.0.1",
  "redis:/127.0.0.1",
  "redis://:secret@h:6379/abc",
  "redis://h/0/1",
  "redis://h/1a",
  "redis://h/-1",
  "redis://h?db=abc",
  "redis:///tmp/redis.sock",
  "redis://:%zz@h",
  "h:6379",
])("redisStore refuses %s", (url) => {
  const message = refusal(() => redisStore({ url }));
  expect(message).toMatch(/^url must be redis:\/\/user:password@host:port\/db/);
});

it.each(["redis://h", "redis://h/", "rediss://u:p%40@h:1/12", "redis://", "redis://h?db=3"])(
  "redisStore takes %s",
  async (url) => {
    await redisStore({ url }).close();
  },
);

it.each(["postgres:localhost/db", "postgres:/h/db", "postgres://u:%zz@h/db", "h:5432"])(
  "postgresStore refuses %s",
  (url) => {
    const message = refusal(() => postgresStore({ url }));
    expect(message).toBe("url must be postgres://user:password@host:port/database");
  },
);

it("redisStore refuses what is no client of ioredis", async () => {
  const other = { on: () => undefined, isOpen: true, get: () => undefined };
  for (const client of [{}, null, "redis://h", other])
    expect(refusal(() => redisStore({ client: client as never }))).toContain("of ioredis");
  const client = new Redis({ lazyConnect: true });
  await redisStore({ client }).close();
  client.disconnect();
});

it("postgresStore refuses what is no pool of pg, and one that was ended", async () => {
  for (const pool of [{}, null, new Client()])
    expect(refusal(() => postgresStore({ pool: pool as never }))).toContain("a Pool of pg");
  const pool = new Pool();
  await postgresStore({ pool }).close();
  await pool.end();
  expect(refusal(() => postgresStore({ pool }))).toContain("was ended");
});
