/** `holdfast/builderbot` on embedded stores and on Redis, and what happens when a save fails. */
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { createBotState } from "../../../../src/builderbot.ts";
import { fileStore } from "../../../../src/file.ts";
import {
  createRuntime,
  memoryStore,
  type Runtime,
  type StateStore,
} from "../../../../src/index.ts";
import { redisStore } from "../../../../src/redis.ts";
import { sqliteStore } from "../../../../src/sqlite.ts";
import { testDirectory } from "../../../support/directory.ts";
import { findRedis, testKeys } from "../../../support/redis.ts";
import { memoryView } from "../../../support/sequencer.ts";
import { describeBotState } from "./suite.ts";

let count = 0;
const root = testDirectory("builderbot");

function reopened(open: (dir: string) => StateStore): () => {
  runtime: Runtime;
  again: () => Promise<Runtime>;
} {
  return () => {
    const dir = join(root, `${(count += 1)}`);
    const create = () => createRuntime({ store: open(dir) });
    return { runtime: create(), again: () => Promise.resolve(create()) };
  };
}

const memory = () => ({
  runtime: createRuntime({ store: memoryStore() }),
  again: () => Promise.reject(new Error("nothing is kept")),
});

describeBotState({ name: "memory", durable: false, create: memory });
describeBotState({
  name: "sqlite",
  durable: true,
  create: reopened((dir) => sqliteStore({ path: join(dir, "bot.db") })),
});
describeBotState({
  name: "file",
  durable: true,
  create: reopened((dir) => fileStore({ dir })),
});

const url = await findRedis();
if (url === undefined) it.skip("state on redis");
else {
  const keys = testKeys(url);
  afterAll(() => keys.remove());
  describeBotState({
    name: "redis",
    durable: true,
    create: reopened((dir) =>
      redisStore({ url, keyPrefix: `${keys.prefix}${dir}:`, appendfsync: "no" }),
    ),
  });
}

it("takes an update back when its save fails, and says so", async () => {
  const inner = memoryStore();
  let failing = false;
  const commit: StateStore["commit"] = (writes, options) =>
    failing ? Promise.reject(new Error("disk is gone")) : inner.commit(writes, options);
  const logged: unknown[] = [];
  const logger = { warn: (message: string) => void logged.push(message), error: () => undefined };
  const runtime = createRuntime({ store: { ...memoryView(inner), commit } });
  const bot = createBotState({ runtime, logger });
  const state = await bot.open("ann");
  await state.update({ a: 1 });
  failing = true;
  const update = state.update({ a: 2 });
  expect(state.get("a")).toBe(2);
  await expect(update).rejects.toThrow("disk is gone");
  expect(state.get("a")).toBe(1);
  expect(logged).toHaveLength(1);
  failing = false;
  await bot.close();
  await runtime.close();
});

it("works without a runtime", async () => {
  const bot = createBotState({ globalState: { greeting: "hi" } });
  void bot.state("ann").update({ a: 1 });
  expect(bot.state("ann").getMyState()).toEqual({ a: 1 });
  expect(bot.globalState.get("greeting")).toBe("hi");
  await bot.close();
});
