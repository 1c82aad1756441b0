/**
 * A child process with turns of a LangGraph graph: `kind place role name times`.
 *
 *   turns   after a line on stdin: `times` turns on thread `t`, each with the thread to itself
 *   writes  after a line on stdin: the writes of `times` tasks of one checkpoint of thread `w`
 *   hang    begins a turn on thread `t`, prints `inside` in the middle of it, and stays there
 */
import { once } from "node:events";
import { createRuntime } from "../../src/index.ts";
import { HoldfastSaver } from "../../src/langgraph.ts";
import { approvalGraph, logGraph, threadOf } from "../src/adapters/langgraph/graphs.ts";
import { openStore } from "./open-store.ts";

const [, , kind = "", place = "", role = "", name = "", times = "1"] = process.argv;

const runtime = createRuntime({ store: openStore(kind, place) });
const saver = new HoldfastSaver({ runtime });
const names = Array.from({ length: Number(times) }, (_, n) => `${name}${n}`);

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function turns(): Promise<void> {
  const graph = logGraph(saver);
  const scope = await runtime.open("session", "t");
  for (const word of names) await scope.exclusive(() => graph.invoke({ word }, threadOf("t")));
}

async function writes(): Promise<void> {
  const config = { configurable: { thread_id: "w", checkpoint_ns: "", checkpoint_id: "1" } };
  await Promise.all(names.map((task) => saver.putWrites(config, [["a", task]], task)));
}

async function hang(): Promise<void> {
  const graph = approvalGraph(saver, async () => {
    say("inside");
    await once(process.stdin, "data");
  });
  // By default a checkpoint is stored while the next step runs.
  await graph.invoke({ count: 4 }, { ...threadOf("t"), durability: "sync" });
}

if (role === "hang") await hang();
else {
  say("ready");
  await once(process.stdin, "data");
  await (role === "turns" ? turns() : writes());
  say("done");
}
process.stdin.destroy();
await runtime.close();
