/** Graphs that the tests of the adapter run, in the test's process and in its children. */
import {
  Annotation,
  type BaseCheckpointSaver,
  type CompiledStateGraph,
  END,
  interrupt,
  START,
  StateGraph,
} from "@langchain/langgraph";

/** The state of all graphs. */
export interface Talk {
  readonly log: string[];
  readonly word: string;
  readonly count: number;
}

const Talk = Annotation.Root({
  log: Annotation<string[]>({
    reducer: (left, right) => left.concat(right),
    default: () => [],
  }),
  word: Annotation<string>,
  count: Annotation<number>,
});

/** A graph of these tests. */
export type TalkGraph = CompiledStateGraph<Talk, Partial<Talk>, string>;

/** A graph that plans, works, asks a person, and acts. */
export function approvalGraph(
  checkpointer: BaseCheckpointSaver,
  work: () => Promise<void> = () => Promise.resolve(),
): TalkGraph {
  const graph = new StateGraph(Talk)
    .addNode("plan", ({ count }) => ({ log: ["plan"], count: count + 1 }))
    .addNode("work", async () => {
      await work();
      return { log: ["work"] };
    })
    .addNode("ask", () => ({ log: [`answer ${String(interrupt("may I?"))}`] }))
    .addNode("act", ({ count }) => ({ log: [`act ${count}`] }))
    .addEdge(START, "plan")
    .addEdge("plan", "work")
    .addEdge("work", "ask")
    .addEdge("ask", "act")
    .addEdge("act", END)
    .compile({ checkpointer });
  return graph as unknown as TalkGraph; // The names of its nodes are left out.
}

/** A graph of two steps that adds its input to a log. */
export function logGraph(checkpointer: BaseCheckpointSaver): TalkGraph {
  const graph = new StateGraph(Talk)
    .addNode("hear", ({ word }) => ({ log: [word] }))
    .addNode("say", ({ word }) => ({ log: [`${word}!`] }))
    .addEdge(START, "hear")
    .addEdge("hear", "say")
    .addEdge("say", END)
    .compile({ checkpointer });
  return graph as unknown as TalkGraph; // As above.
}

/** The config of a thread. */
export function threadOf(id: string): { configurable: { thread_id: string } } {
  return { configurable: { thread_id: id } };
}
