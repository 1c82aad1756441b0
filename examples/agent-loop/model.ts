/** A model without a network: it asks for the stock of what the user names, then answers. */
import { MockLanguageModelV3 } from "ai/test";

const usage = {
  inputTokens: { total: 1, noCache: 1, cacheRead: 0, cacheWrite: 0 },
  outputTokens: { total: 1, text: 1, reasoning: 0 },
};

/** `beforeAnswer` is called with the result of the tool, before the model answers. */
export function createModel(beforeAnswer: (stock: string) => void): MockLanguageModelV3 {
  return new MockLanguageModelV3({
    doGenerate: async ({ prompt }) => {
      const [part] = prompt.at(-1)?.content ?? [];
      if (typeof part !== "object") throw new Error("the prompt ends without a message");
      if (part.type === "text") {
        const input = JSON.stringify({ item: part.text });
        return {
          content: [{ type: "tool-call", toolCallId: part.text, toolName: "stock", input }],
          finishReason: { unified: "tool-calls", raw: undefined },
          usage,
          warnings: [],
        };
      }
      if (part.type !== "tool-result" || part.output.type !== "text")
        throw new Error("the prompt ends with neither a question nor a result");
      beforeAnswer(part.output.value);
      return {
        content: [{ type: "text", text: `We have ${part.output.value}.` }],
        finishReason: { unified: "stop", raw: undefined },
        usage,
        warnings: [],
      };
    },
  });
}
