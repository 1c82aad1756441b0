/** Requests of a chat of the AI SDK: each stores its question and the answer of a model. */
import { generateText, type UIMessage } from "ai";
import { MockLanguageModelV3 } from "ai/test";
import type * as Entry from "../../src/ai.ts";
import { createRuntime, urlOf } from "../subject.ts";
import { atOnce, type Row, TURNS } from "./row.ts";

const { chatHistory }: typeof Entry = await import(urlOf("ai"));

const model = new MockLanguageModelV3({
  doGenerate: {
    content: [{ type: "text", text: "it is sunny" }],
    finishReason: { unified: "stop", raw: undefined },
    usage: {
      inputTokens: { total: 1, noCache: 1, cacheRead: 0, cacheWrite: 0 },
      outputTokens: { total: 1, text: 1, reasoning: 0 },
    },
    warnings: [],
  },
});

/** How a program keeps the messages of a chat. */
interface Messages {
  readonly load: () => Promise<UIMessage[]>;
  /** Stores a question and its answer, which follow `before`. */
  readonly save: (before: readonly UIMessage[], added: UIMessage[]) => Promise<unknown>;
}

function message(id: string, role: "user" | "assistant", text: string): UIMessage {
  return { id, role, parts: [{ type: "text", text }] };
}

async function lost({ load, save }: Messages): Promise<number> {
  await atOnce(async (at) => {
    const before = await load();
    const { text } = await generateText({ model, prompt: `question ${at}` });
    await save(before, [message(`q${at}`, "user", `${at}`), message(`a${at}`, "assistant", text)]);
  });
  return TURNS - (await load()).filter(({ role }) => role === "user").length;
}

/** As the guide of the SDK stores a chat: all messages at the end of each request. */
function wholeChat(): Messages {
  let chat: UIMessage[] = [];
  return {
    load: () => Promise.resolve(chat),
    save: (before, added) => Promise.resolve((chat = [...before, ...added])),
  };
}

/** The SDK has no store of its own. */
export const aiRow: Row = {
  framework: "AI SDK",
  adapter: "holdfast/ai",
  work: "add a question and its answer to a chat",
  own: () => lost(wholeChat()),
  async ours() {
    const runtime = createRuntime();
    const history = chatHistory(await runtime.open<{ messages?: UIMessage[] }>("session", "chat"));
    const found = await lost({
      load: () => history.messages(),
      save: (_before, added) => history.append(added),
    });
    await runtime.close();
    return found;
  },
};
