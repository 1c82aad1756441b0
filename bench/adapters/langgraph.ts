/** Graphs of LangGraph: each turn adds a message to the log of its thread. */
import { type BaseCheckpointSaver, MemorySaver } from "@langchain/langgraph-checkpoint";
import type * as Entry from "../../src/langgraph.ts";
import { logGraph } from "../../test/src/adapters/langgraph/graphs.ts";
import { createRuntime, urlOf } from "../subject.ts";
import { atOnce, type Row, TURNS } from "./row.ts";

const { HoldfastSaver }: typeof Entry = await import(urlOf("langgraph"));

type Section = (turn: () => Promise<unknown>) => Promise<unknown>;

async function lost(saver: BaseCheckpointSaver, section: Section): Promise<number> {
  const graph = logGraph(saver);
  const thread = { configurable: { thread_id: "t" } };
  await atOnce((at) => section(() => graph.invoke({ word: `${at}` }, thread)));
  const { values } = await graph.getState(thread);
  const log = new Set<unknown>(Object(values).log);
  return Array.from({ length: TURNS }, (_, at) => `${at}`).filter((word) => !log.has(word)).length;
}

/** The page of the adapter says that turns at once take the thread to themselves. */
export const langgraphRow: Row = {
  framework: "LangGraph",
  adapter: "holdfast/langgraph",
  work: "add a message to a thread",
  own: () => lost(new MemorySaver(), (turn) => turn()),
  async ours() {
    const runtime = createRuntime();
    const thread = await runtime.open("session", "t");
    const found = await lost(new HoldfastSaver({ runtime }), (turn) =>
      thread.exclusive(turn, { timeoutMs: 120_000 }),
    );
    await runtime.close();
    return found;
  },
};
