/** LangGraph with its SQLite saver: a graph of as many nodes, each stored before the next. */
import { createPlace } from "../contention/place.ts";
import { type Absent, type Engine, runIds, Starts, STEPS } from "./engine.ts";
import { loadPeer, startPeer } from "./peers.ts";

const NAME = "LangGraph, sqlite";

interface Config {
  readonly configurable: { readonly thread_id: string };
  readonly recursionLimit: number;
  readonly durability: "sync";
}
interface Value {
  readonly value: number;
}
type Node = (state: Value, config: Config) => Partial<Value>;
interface Graph {
  addNode(name: string, node: Node): Graph;
  addEdge(from: string, to: string): Graph;
  compile(options: object): { invoke(input: Value, config: Config): Promise<Value> };
}
interface LangGraph {
  readonly START: string;
  readonly END: string;
  readonly Annotation: (() => unknown) & { Root(fields: object): unknown };
  readonly StateGraph: new (state: unknown) => Graph;
}
interface Savers {
  readonly SqliteSaver: new (database: unknown) => unknown;
}
interface Database {
  exec(text: string): unknown;
  close(): unknown;
}

/** Starts it on the driver of the store of this library, as durable as that. */
export function langgraph(): Promise<Engine | Absent> {
  return startPeer(NAME, "@langchain/langgraph-checkpoint-sqlite", async () => {
    const { Annotation, END, START, StateGraph } =
      await loadPeer<LangGraph>("@langchain/langgraph");
    const { SqliteSaver } = await loadPeer<Savers>("@langchain/langgraph-checkpoint-sqlite");
    type Libsql = { readonly default: new (path: string) => Database };
    const { default: Libsql } = await loadPeer<Libsql>("libsql");
    const database = new Libsql(createPlace("sqlite").path);
    database.exec("PRAGMA synchronous = FULL");
    const starts = new Starts();
    const node: Node = ({ value }, { configurable }) => ({
      value: starts.next(configurable.thread_id, value),
    });
    const graph = new StateGraph(Annotation.Root({ value: Annotation() }));
    let before = START;
    for (let index = 0; index < STEPS; index += 1) {
      const name = `step-${index}`;
      graph.addNode(name, node).addEdge(before, name);
      before = name;
    }
    const compiled = graph
      .addEdge(before, END)
      .compile({ checkpointer: new SqliteSaver(database) });
    return {
      name: NAME,
      run: (count) =>
        Promise.all(
          runIds(count).map(async (runId) => {
            const configurable = { thread_id: runId };
            const config = { configurable, recursionLimit: STEPS + 1, durability: "sync" } as const;
            return starts.done(runId, (await compiled.invoke({ value: 0 }, config)).value);
          }),
        ),
      close: () => Promise.resolve(database.close()),
    };
  });
}
