/** A model that answers by what it is asked, and an agent with a tool. */
import {
  Agent,
  type AgentInputItem,
  type AgentOutputItem,
  type Model,
  type ModelRequest,
  type ModelResponse,
  Runner,
  setTracingDisabled,
  tool,
  Usage,
} from "@openai/agents-core";
import { z } from "zod";

setTracingDisabled(true);

const text = (words: string): AgentOutputItem => ({
  type: "message",
  role: "assistant",
  status: "completed",
  content: [{ type: "output_text", text: words }],
});

function lastOf(input: string | AgentInputItem[]): AgentInputItem | undefined {
  return typeof input === "string"
    ? { type: "message", role: "user", content: input }
    : input.at(-1);
}

/** Calls the tool for a message that begins with `pay`; else says what it received. */
class FakeModel implements Model {
  getResponse({ input }: ModelRequest): Promise<ModelResponse> {
    return Promise.resolve({ usage: new Usage(), output: [answerTo(lastOf(input))] });
  }

  // The runner asks for a stream only where a caller asks for one.
  getStreamedResponse(): never {
    throw new Error("no streams here");
  }
}

function answerTo(item: AgentInputItem | undefined): AgentOutputItem {
  if (item?.type === "function_call_result") return text("paid");
  const content: unknown = Reflect.get(Object(item), "content");
  const asked = typeof content === "string" ? content : "";
  if (!asked.startsWith("pay")) return text(`you said ${asked}`);
  return {
    type: "function_call",
    callId: asked,
    name: "pay",
    status: "completed",
    arguments: JSON.stringify({ order: asked }),
  };
}

/** An agent whose tool runs `pay`, and a runner with the model. */
export function fakeAgent(pay: (order: string) => Promise<string>): {
  readonly agent: Agent;
  readonly runner: Runner;
} {
  const model = new FakeModel();
  const agent = new Agent({
    name: "clerk",
    model,
    tools: [
      tool({
        name: "pay",
        description: "Pays an order",
        parameters: z.object({ order: z.string() }),
        execute: ({ order }) => pay(order),
      }),
    ],
  });
  return { agent, runner: new Runner({ modelProvider: { getModel: () => model } }) };
}
