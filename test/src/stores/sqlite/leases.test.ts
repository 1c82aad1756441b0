/** Exclusive sections: their leases wait for the disk together, and each keeps its own key. */
import { join } from "node:path";
import { expect, it } from "vitest";
import { openDatabase } from "../../../../src/stores/sqlite/driver.ts";
import { sqliteStore } from "../../../../src/stores/sqlite/store.ts";
import { simulatedClock } from "../../../../src/testing/clock.ts";
import { testDirectory } from "../../../support/directory.ts";

const dir = testDirectory("sqlite-leases");

/** A store whose write transactions are counted. */
function counting(name: string) {
  const database = openDatabase(join(dir, name));
  const counted = { writes: 0 };
  const exec = database.exec.bind(database);
  database.exec = (sql) => {
    if (sql === "BEGIN IMMEDIATE") counted.writes += 1;
    return exec(sql);
  };
  return { database, store: sqliteStore({ database }), counted };
}

it("leases that are acquired or released in one turn share a transaction", async () => {
  const { database, store, counted } = counting("shared.db");
  await store.load(["k"]);
  counted.writes = 0;
  const keys = Array.from({ length: 20 }, (_, n) => `k${n}`);
  let started = 0;
  let go: (() => void) | undefined;
  const all = new Promise<void>((resolve) => {
    go = resolve;
  });
  const section = (): Promise<void> => {
    if (++started === keys.length) go?.();
    return all;
  };
  await Promise.all(keys.map(async (key) => store.exclusive?.(key, 60_000, section)));
  expect([started, counted.writes]).toEqual([20, 2]);
  await store.close();
  database.close();
});

it("of two sections on one key that ask in one turn, the second waits for the first", async () => {
  const { database, store } = counting("one-key.db");
  const order: string[] = [];
  const section = (name: string) => async (): Promise<void> => {
    order.push(`${name} begins`);
    await store.load(["k"]);
    order.push(`${name} ends`);
  };
  await Promise.all(["a", "b"].map(async (name) => store.exclusive?.("k", 60_000, section(name))));
  expect(order).toEqual(["a begins", "a ends", "b begins", "b ends"]);
  await store.close();
  database.close();
});

it("a renewal that is answered after its section keeps no write away", async () => {
  const clock = simulatedClock(1);
  const store = sqliteStore({ path: join(dir, "renewed.db"), clock });
  let renewed: Promise<boolean> | undefined;
  await store.exclusive?.("k", 50, async (lease) => {
    renewed = lease?.renew();
  });
  expect(await renewed).toBe(true);
  await clock.advance(51);
  const write = { key: "k", expectedVersion: 0, version: 1, state: 1 };
  expect(await store.commit([write])).toEqual([{ ok: true, version: 1 }]);
  await store.close();
});

it("a section whose key is no text is refused alone", async () => {
  const { database, store } = counting("no-text.db");
  const section = async (): Promise<string> => "ran";
  const key: unknown = undefined;
  const refused = store.exclusive?.(key as string, 60_000, section);
  const [, other] = await Promise.allSettled([refused, store.exclusive?.("k", 60_000, section)]);
  await expect(refused).rejects.toThrow("key must be text, received undefined");
  expect(other).toEqual({ status: "fulfilled", value: "ran" });
  await store.close();
  database.close();
});
