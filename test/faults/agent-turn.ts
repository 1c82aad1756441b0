/**
 * One run of an agent over a stored session: `agent-turn.ts PATH TEXT [hang]`. With `hang` its tool
 * prints a line and never ends.
 */
import { createRuntime } from "../../src/index.ts";
import { HoldfastSession } from "../../src/openai-agents.ts";
import { sqliteStore } from "../../src/sqlite.ts";
import { fakeAgent } from "../src/adapters/openai-agents/fake-model.ts";

const [path = "", text = "", hang] = process.argv.slice(2);
const runtime = createRuntime({ store: sqliteStore({ path }) });
const session = new HoldfastSession({ runtime, sessionId: "chat" });
const { agent, runner } = fakeAgent(async (order) => {
  if (hang === undefined) return `receipt of ${order}`;
  console.log("paying");
  return new Promise(() => undefined);
});
const { finalOutput } = await runner.run(agent, text, { session });
console.log(finalOutput);
await runtime.close();
