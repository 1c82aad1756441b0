/** What `deleteAll` deletes leaves nothing in a server, once the tombstones of the kind are over. */
import { Redis } from "ioredis";
import { expect, it, onTestFinished } from "vitest";
import { defineKind } from "../../../src/runtime/kinds.ts";
import { createRuntime } from "../../../src/runtime/runtime.ts";
import { postgresStore } from "../../../src/stores/postgres/store.ts";
import { redisStore } from "../../../src/stores/redis/store.ts";
import type { StateStore } from "../../../src/stores/contract.ts";
import { dropTables, findPostgres, freshTable, runSql } from "../../support/postgres.ts";
import { findRedis, testKeys } from "../../support/redis.ts";

const postgresUrl = await findPostgres();
const redisUrl = await findRedis();
const COUNT = 500;
const TOMBSTONE_MS = 300;
const TEST_MS = 60_000;

/** Deletes most scopes of a kind, and waits until the store has only the others. */
async function expectShrinks(store: StateStore, count: () => Promise<number>): Promise<void> {
  const kinds = { code: defineKind({ tombstoneMs: TOMBSTONE_MS }) };
  const runtime = createRuntime({ store, kinds });
  onTestFinished(() => runtime.close());
  const ids = Array.from({ length: COUNT }, (_, at) => `${at < 3 ? "kept" : "used"}-${at}`);
  await Promise.all(
    ids.map(async (id) => (await runtime.open("code", id)).patchState({ used: true })),
  );
  expect(await count()).toBe(COUNT);
  expect(await runtime.deleteAll({ type: "code", prefix: "used-" })).toBe(COUNT - 3);
  await expect
    .poll(
      async () => {
        await store.load(["other"]); // A store removes them soon after it is used.
        return count();
      },
      { timeout: TEST_MS / 2, interval: 100 },
    )
    .toBe(3);
  expect((await runtime.list({ type: "code" })).ids).toEqual(["kept-0", "kept-1", "kept-2"]);
}

it.skipIf(redisUrl === undefined)(
  "in Redis, the index included",
  { timeout: TEST_MS },
  async () => {
    const url = redisUrl ?? "";
    const keys = testKeys(url);
    const client = new Redis(url);
    onTestFinished(async () => {
      await keys.remove();
      client.disconnect();
    });
    const keyPrefix = `${keys.prefix}space:`;
    const store = redisStore({ url, keyPrefix, appendfsync: "no", timeoutMs: 2_000 });
    await expectShrinks(store, () => client.zcard(`${keyPrefix}index`));
  },
);

it.skipIf(postgresUrl === undefined)("in PostgreSQL", { timeout: TEST_MS }, async () => {
  const url = postgresUrl ?? "";
  const table = freshTable();
  onTestFinished(() => dropTables(url, table));
  const store = postgresStore({ url, table, timeoutMs: 2_000 });
  const rows = `SELECT count(*) AS n FROM ${table}_record`;
  await expectShrinks(store, async () => Number((await runSql(url, rows))[0]?.["n"]));
});
