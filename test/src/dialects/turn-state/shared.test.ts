/** Turns on a runtime whose store fails once, or that others write to. */
import { join } from "node:path";
import { createRuntime, memoryStore } from "holdfast";
import { sqliteStore } from "holdfast/sqlite";
import { faultyStore } from "holdfast/testing";
import { MemoryStorage, runTurn, TurnState, useState } from "holdfast/turn-state";
import { expect, it } from "vitest";
import { testDirectory } from "../../../support/directory.ts";
import { activity } from "./places.ts";

const logger = { warn: () => undefined, error: () => undefined };
const message = activity("c");

it("a store that fails once breaks no conversation", async () => {
  const store = faultyStore(memoryStore(), { choose: () => "fail" });
  const runtime = createRuntime({ store, logger });
  const storage = new MemoryStorage({ runtime });
  const unavailable = { code: "STORE_UNAVAILABLE" };
  const count = () =>
    runTurn(storage, message, ({ conversation, user }) => {
      for (const scope of [conversation, user]) scope.set("n", scope.get<number>("n", 0) ?? 0);
      conversation.set("n", (conversation.get<number>("n") ?? 0) + 1);
    });
  await expect(count()).rejects.toMatchObject(unavailable);
  await expect(TurnState.load(storage, message)).rejects.toMatchObject(unavailable);
  await expect(storage.write({ a: { n: 1 } })).rejects.toMatchObject(unavailable);
  await expect(storage.delete(["a"])).rejects.toMatchObject(unavailable);
  store.calm();
  await count();
  await count();
  expect((await TurnState.load(storage, message)).getValue("conversation.n")).toBe(2);
  await storage.write({ a: { n: 1 } });
  expect(await storage.read(["a"])).toEqual({ a: { n: 1 } });
  await runtime.close();
});

it("a turn that writes nothing begins on what is stored now, over two runtimes on a file", async () => {
  const path = join(testDirectory("turn-shared"), "turns.db");
  const runtimes = [0, 1].map(() =>
    createRuntime({ store: sqliteStore({ path, synchronous: "normal" }), watch: false }),
  );
  const [mine, theirs] = runtimes.map((runtime) => new MemoryStorage({ runtime }));
  if (mine === undefined || theirs === undefined) throw new Error("two storages");
  const modeOf = (storage: MemoryStorage): Promise<unknown[]> =>
    runTurn(storage, message, ({ conversation, user }) => [
      conversation.get("mode"),
      user.get("gold"),
    ]);
  const write = (storage: MemoryStorage, mode: string, gold: number): Promise<void> =>
    runTurn(storage, message, ({ conversation, user }) => {
      conversation.set("mode", mode);
      user.set("gold", gold);
    });
  await write(mine, "chat", 1);
  expect(await modeOf(theirs)).toEqual(["chat", 1]);
  for (let gold = 10; gold < 15; gold += 1) {
    await write(theirs, "agent", gold);
    expect(await modeOf(mine)).toEqual(["agent", gold]);
    // What the outdated copy held is written, not taken for "nothing changed".
    await runTurn(mine, message, ({ conversation }) => conversation.set("mode", "chat"));
    expect(await modeOf(theirs)).toEqual(["chat", gold]);
    const context: { activity: typeof message; state?: TurnState } = { activity: message };
    await write(theirs, "agent", gold);
    await useState(mine)(context, async () => {
      expect(context.state?.getValue("conversation.mode")).toBe("agent");
    });
    const guard = runTurn(mine, message, ({ user }) => {
      if ((user.get<number>("gold") ?? 0) < 5) throw new Error("too little");
    });
    await guard;
  }
  for (const runtime of runtimes) await runtime.close();
});

it("a deletion of an empty document that another turn has deleted meanwhile is no conflict", async () => {
  const path = join(testDirectory("turn-shared"), "deleted.db");
  const runtimes = [0, 1].map(() =>
    createRuntime({ store: sqliteStore({ path, synchronous: "normal" }), watch: false }),
  );
  const [mine, theirs] = runtimes.map((runtime) => new MemoryStorage({ runtime }));
  if (mine === undefined || theirs === undefined) throw new Error("two storages");
  await runTurn(mine, message, ({ conversation }) => conversation.set("mode", "chat"));
  await runTurn(mine, message, ({ conversation }) => conversation.delete("mode"));
  await runTurn(mine, message, async (state) => {
    state.deleteConversationState();
    await runTurn(theirs, message, (other) => other.deleteConversationState());
  });
  for (const runtime of runtimes) await runtime.close();
});
