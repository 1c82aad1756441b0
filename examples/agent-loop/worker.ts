/** A process that answers the questions of a chat; it is killed before the answer to `CRASH_AT`. */
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { type ModelMessage, tool } from "ai";
import { z } from "zod";
import { openAgent } from "./agent.ts";
import { createModel } from "./model.ts";

const settings = z
  .object({ DIR: z.string(), QUESTIONS: z.coerce.number(), CRASH_AT: z.string() })
  .parse(process.env);

const stock = tool({
  description: "How many of an item are in stock",
  inputSchema: z.object({ item: z.string() }),
  execute: async ({ item }) => {
    appendFileSync(join(settings.DIR, "tool.log"), `${item}\n`);
    return `3 of ${item}`;
  },
});

const model = createModel((found) => {
  if (found === `3 of ${settings.CRASH_AT}`) process.kill(process.pid, "SIGKILL");
});

const { runtime, agent } = openAgent(join(settings.DIR, "agent.db"), model, { stock });
const chat = await runtime.open("session", "chat-42");

// The history that another system kept, in one call.
const history = Array.from({ length: 900 }, (_, n): ModelMessage[] => [
  { role: "user", content: `coffee no. ${n}` },
  { role: "assistant", content: "We have none." },
]);
await chat.appendState("messages", history.flat(), { once: "history" });

// The queue delivers all questions again after a restart: those that were answered have their
// answer, and the one that was interrupted continues.
let answer = "";
for (let n = 1; n <= settings.QUESTIONS; n += 1) {
  const input = { chatId: "chat-42", question: `tea no. ${n}` };
  const outcome = await runtime.run(agent, { runId: `question-${n}`, input }).result;
  if (outcome.status === "completed") answer = outcome.output;
}
console.log("the last answer:", answer);
console.log("messages:", chat.state.messages.length);
await runtime.close();
