/** Runs of the SDK itself over a session: many at once, and one that is killed in a tool. */
import type { AgentInputItem } from "@openai/agents-core";
import { expect, it, onTestFinished } from "vitest";
import { createRuntime, memoryStore } from "../../../../src/index.ts";
import { HoldfastSession } from "../../../../src/openai-agents.ts";
import { sqliteStore } from "../../../../src/sqlite.ts";
import { startChild } from "../../../support/child.ts";
import { testDirectory } from "../../../support/directory.ts";
import { fakeAgent } from "./fake-model.ts";

const dir = testDirectory("openai-agents-runs");

/** What a history says, a word or two for each item. */
function told(items: readonly AgentInputItem[]): string[] {
  return items.map((item) => {
    if (item.type === "function_call") return `call ${item.callId}`;
    if (item.type === "function_call_result") return `result ${item.callId}`;
    if (!("content" in item)) return item.type;
    const { content } = item;
    const text: unknown = Array.isArray(content)
      ? Reflect.get(Object(content[0]), "text")
      : content;
    return String(text);
  });
}

it("keeps every item of 100 runs at once on one session", async () => {
  const runtime = createRuntime({ store: memoryStore() });
  onTestFinished(() => runtime.close());
  const session = new HoldfastSession({ runtime, sessionId: "chat" });
  const { agent, runner } = fakeAgent(async (order) => `receipt of ${order}`);
  const names = Array.from({ length: 100 }, (_, n) => (n % 2 === 0 ? `pay ${n}` : `hello ${n}`));
  await Promise.all(names.map((name) => runner.run(agent, name, { session })));
  const items = told(await session.getItems());
  const expected = names.flatMap((name) =>
    name.startsWith("pay")
      ? [name, `call ${name}`, `result ${name}`, "paid"]
      : [name, `you said ${name}`],
  );
  expect(items.toSorted()).toEqual(expected.toSorted());
});

it("goes on after a process was killed in the middle of a tool", async () => {
  const path = `${dir}/killed.db`;
  const first = startChild("agent-turn.ts", [path, "hello"]);
  expect(await first.closed).toBe(0);
  const second = startChild("agent-turn.ts", [path, "pay 7", "hang"]);
  await second.started;
  second.process.kill("SIGKILL");
  await second.closed;
  expect(second.output()).toBe("paying\n");
  const third = startChild("agent-turn.ts", [path, "pay 7"]);
  expect(await third.closed).toBe(0);
  expect(third.output()).toBe("paid\n");
  const runtime = createRuntime({ store: sqliteStore({ path }) });
  onTestFinished(() => runtime.close());
  const session = new HoldfastSession({ runtime, sessionId: "chat" });
  const items = told(await session.getItems());
  expect(items).toEqual(["hello", "you said hello", "pay 7", "call pay 7", "result pay 7", "paid"]);
});
