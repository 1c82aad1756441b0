/** A chat with a tool, on a model that answers by what it is asked. */
import { convertToModelMessages, stepCountIs, streamText, tool, type UIMessage } from "ai";
import { MockLanguageModelV3, simulateReadableStream } from "ai/test";
import { z } from "zod";
import { chatHistory } from "../../../../src/ai.ts";
import type { Scope } from "../../../../src/index.ts";

/** The state of a chat in tests. */
export interface Chat {
  messages?: UIMessage[];
}

/** A message of the user with one text. */
export function asked(id: string, text: string): UIMessage {
  return { id, role: "user", parts: [{ type: "text", text }] };
}

type StreamPart =
  Awaited<ReturnType<MockLanguageModelV3["doStream"]>>["stream"] extends ReadableStream<infer Part>
    ? Part
    : never;

const usage = {
  inputTokens: { total: 1, noCache: 1, cacheRead: 0, cacheWrite: 0 },
  outputTokens: { total: 1, text: 1, reasoning: 0 },
};

/** Calls the tool for a question, and says what the tool returned. */
const model = new MockLanguageModelV3({
  doStream: async ({ prompt }) => {
    const isAnswer = prompt.at(-1)?.role === "tool";
    const chunks: StreamPart[] = isAnswer
      ? [
          { type: "text-start", id: "t" },
          { type: "text-delta", id: "t", delta: "it is sunny" },
          { type: "text-end", id: "t" },
        ]
      : [{ type: "tool-call", toolCallId: "c1", toolName: "weather", input: '{"city":"Rome"}' }];
    const reason = isAnswer ? "stop" : "tool-calls";
    const finishReason = { unified: reason, raw: undefined } as const;
    return {
      stream: simulateReadableStream({
        chunks: [...chunks, { type: "finish", finishReason, usage }],
      }),
    };
  },
});

/**
 * One turn: stores the question, and the answer with each step of it; `afterStep` runs when a step
 * is stored. Resolves when the answer is complete.
 */
export async function turn(
  scope: Scope<Chat>,
  question: UIMessage,
  afterStep: (parts: number) => Promise<void> = async () => undefined,
): Promise<void> {
  const history = chatHistory(scope);
  await history.append(question);
  const messages = await history.messages({ last: 50 });
  const result = streamText({
    model,
    messages: await convertToModelMessages(messages, {
      ignoreIncompleteToolCalls: true, // Of a turn that was killed in a tool.
    }),
    tools: {
      weather: tool({
        inputSchema: z.object({ city: z.string() }),
        execute: async ({ city }) => `sunny in ${city}`,
      }),
    },
    stopWhen: stepCountIs(5),
  });
  const id = `${question.id}-answer`;
  const stream = result.toUIMessageStream({ generateMessageId: () => id });
  const { readUIMessageStream } = await import("ai");
  for await (const message of readUIMessageStream({ stream })) {
    await history.append({ ...message, id });
    await afterStep(message.parts.length);
  }
}
