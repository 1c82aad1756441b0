/** What closing waits for, and what it ends. */
import { expect, it } from "vitest";
import { createGate } from "../../../../src/stores/shared/closable.ts";
import { postgresStore } from "../../../../src/stores/postgres/store.ts";
import { redisStore } from "../../../../src/stores/redis/store.ts";

it("closing waits for what runs", async () => {
  const gate = createGate("test");
  const order: string[] = [];
  const work = gate.run(async () => {
    await new Promise((resolve) => setImmediate(resolve));
    order.push("work");
  });
  await gate.close(() => void order.push("released"));
  await work;
  expect(order).toEqual(["work", "released"]);
});

it("closing ends what runs until then", async () => {
  const gate = createGate("test");
  const never = gate.runUntilClosed(() => new Promise(() => undefined));
  const refused = expect(never).rejects.toMatchObject({ code: "STORE_CLOSED" });
  await gate.close(() => undefined);
  await refused;
  await expect(gate.runUntilClosed(async () => 1)).rejects.toMatchObject({ code: "STORE_CLOSED" });
});

// A minute is more than a test may take.
const timeoutMs = 60_000;

it.each([
  ["redis", () => redisStore({ url: "redis://127.0.0.1:1", timeoutMs })],
  ["postgres", () => postgresStore({ url: "postgres://127.0.0.1:1/none", timeoutMs })],
])("a %s store that cannot begin to watch closes at once", async (_name, make) => {
  const store = make();
  const watching = store.watch?.(() => undefined);
  const refused = expect(watching).rejects.toMatchObject({ code: "STORE_CLOSED" });
  await new Promise((resolve) => setTimeout(resolve, 100));
  await store.close();
  await refused;
});
