/** Runs of the OpenAI Agents SDK in one session, which is read after a restart of the program. */
import { type AgentInputItem, MemorySession, type Session } from "@openai/agents-core";
import type * as Entry from "../../src/openai-agents.ts";
import { fakeAgent } from "../../test/src/adapters/openai-agents/fake-model.ts";
import { onSqlite } from "./on-sqlite.ts";
import { atOnce, type Row, TURNS } from "./row.ts";
import { urlOf } from "../subject.ts";

const { HoldfastSession }: typeof Entry = await import(urlOf("openai-agents"));

const sessionId = "s";

async function lost(open: () => Session, restart: () => Promise<void>): Promise<number> {
  const { agent, runner } = fakeAgent(() => Promise.resolve("paid"));
  const session = open();
  await atOnce((at) => runner.run(agent, `question ${at}`, { session }));
  await restart();
  const items = await open().getItems();
  return (
    TURNS - items.filter((item: AgentInputItem) => "role" in item && item.role === "user").length
  );
}

/** The default session of the SDK is in memory. */
export const openaiAgentsRow: Row = {
  framework: "OpenAI Agents SDK",
  adapter: "holdfast/openai-agents",
  work: "run a question, and read the session after a restart",
  own: () =>
    lost(
      () => new MemorySession({ sessionId }),
      () => Promise.resolve(),
    ),
  ours: () =>
    onSqlite((runtime, restart) =>
      lost(() => new HoldfastSession({ runtime: runtime(), sessionId }), restart),
    ),
};
