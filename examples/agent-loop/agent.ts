/** The agent: a conversation in a scope, and a run of a sequencer for each question. */
import { generateText, type LanguageModel, type ModelMessage, type ToolSet } from "ai";
import { createRuntime, defineKind, defineSequencer, mutableCopy } from "holdfast";
import { sqliteStore } from "holdfast/sqlite";
import { z } from "zod";

/** How many messages the model sees. */
const WINDOW = 20;
/** How often the model may ask for tools before it answers. */
const CALLS_MAX = 5;

interface Chat {
  messages: ModelMessage[];
}

export function openAgent(path: string, model: LanguageModel, tools: ToolSet) {
  const runtime = createRuntime({
    store: sqliteStore({ path }),
    kinds: { session: defineKind<Chat>({ initial: { messages: [] } }) },
  });

  const agent = defineSequencer({
    name: "agent",
    input: z.object({ chatId: z.string(), question: z.string() }),
  }).step("answer", async (ctx) => {
    const chat = await runtime.open("session", ctx.input.chatId);
    const append = (key: string, messages: ModelMessage[]) =>
      chat.appendState("messages", messages, { once: `${ctx.runId} ${key}` });

    await append("question", [{ role: "user", content: ctx.input.question }]);
    for (let call = 1; call <= CALLS_MAX; call += 1) {
      // One call of the model, and of the tools that it asks for. Its messages are stored with the
      // run, so a run that is continued makes none of these calls again.
      const { messages, text } = await ctx.runOnce(`call ${call}`, async () => {
        const window = mutableCopy(await chat.slice("messages", -WINDOW));
        const result = await generateText({ model, tools, messages: window });
        return { messages: result.response.messages, text: result.text };
      });
      await append(`call ${call}`, messages);
      if (text !== "") return text;
    }
    throw new Error(`no answer after ${CALLS_MAX} calls`);
  });

  return { runtime, agent };
}
