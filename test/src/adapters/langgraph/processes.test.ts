/** Graphs in several processes on one thread, and one that is killed in the middle of a turn. */
import { Command } from "@langchain/langgraph";
import { describe, expect, it, onTestFinished } from "vitest";
import { createRuntime, type Runtime } from "../../../../src/index.ts";
import { HoldfastSaver } from "../../../../src/langgraph.ts";
import { openStore } from "../../../faults/open-store.ts";
import { type Child, startChild } from "../../../support/child.ts";
import { testDirectory } from "../../../support/directory.ts";
import { onServer, type ServerPlaces } from "../../../support/places.ts";
import { until } from "../../../support/waiting.ts";
import { approvalGraph, threadOf } from "./graphs.ts";

const TIMES = 8;
/** A process that waits for a section of another one looks again now and then. */
const SLOW = { timeout: 120_000 };

function start(args: readonly string[]): Child {
  const child = startChild("langgraph-turns.ts", args);
  onTestFinished(() => void child.process.kill("SIGKILL"));
  return child;
}

/** Two processes do `role` at the same time. */
async function both(kind: string, place: string, role: string): Promise<string[]> {
  const children = ["a", "b"].map((name) => start([kind, place, role, name, `${TIMES}`]));
  await Promise.all(children.map(({ started }) => started));
  for (const { begin } of children) begin();
  expect(await Promise.all(children.map(({ closed }) => closed))).toEqual([0, 0]);
  return ["a", "b"].flatMap((name) => Array.from({ length: TIMES }, (_, n) => `${name}${n}`));
}

function open(kind: string, place: string): Runtime {
  const runtime = createRuntime({ store: openStore(kind, place) });
  onTestFinished(() => runtime.close());
  return runtime;
}

function killCase({ kind, fresh }: ServerPlaces): void {
  it("goes on with a turn whose process was killed, and asks and resumes", SLOW, async () => {
    const place = fresh();
    const child = start([kind, place, "hang"]);
    await until(() => child.output().includes("inside"));
    child.process.kill("SIGKILL");
    await child.closed;
    const graph = approvalGraph(new HoldfastSaver({ runtime: open(kind, place) }));
    expect((await graph.getState(threadOf("t"))).next).toEqual(["work"]);
    expect(await graph.invoke(null, threadOf("t"))).toMatchObject({
      log: ["plan", "work"],
      __interrupt__: [{ value: "may I?" }],
    });
    const done = await graph.invoke(new Command({ resume: "yes" }), threadOf("t"));
    expect(done).toMatchObject({ log: ["plan", "work", "answer yes", "act 5"], count: 5 });
  });
}

function sharedCases({ kind, fresh }: ServerPlaces): void {
  it("loses no turn of two processes on one thread", SLOW, async () => {
    const place = fresh();
    const words = await both(kind, place, "turns");
    const tuple = await new HoldfastSaver({ runtime: open(kind, place) }).getTuple(threadOf("t"));
    const log = tuple?.checkpoint.channel_values["log"] as string[]; // As the graph declares it.
    expect(log.toSorted()).toEqual(words.flatMap((word) => [word, `${word}!`]).toSorted());
  });

  it("loses no write of two processes for one checkpoint", SLOW, async () => {
    const place = fresh();
    const tasks = await both(kind, place, "writes");
    const saver = new HoldfastSaver({ runtime: open(kind, place) });
    const meta = { source: "loop", step: 0, parents: {} } as const;
    const checkpoint = {
      v: 4,
      id: "1",
      ts: "",
      channel_values: {},
      channel_versions: {},
      versions_seen: {},
    };
    await saver.put(threadOf("w"), checkpoint, meta, {});
    const tuple = await saver.getTuple(threadOf("w"));
    expect(tuple?.pendingWrites?.map(([task]) => task)).toEqual(tasks.toSorted());
  });
}

describe.each(["sqlite", "file"])("on %s", (kind) => {
  const dir = testDirectory("langgraph-processes");
  let count = 0;
  const fresh = (): string => {
    count += 1;
    return `${dir}/${kind}${count}`;
  };
  killCase({ kind, fresh });
  if (kind === "sqlite") sharedCases({ kind, fresh });
});

for (const kind of ["redis", "postgres"] as const)
  await onServer(kind, (places) =>
    describe(`on ${kind}`, () => {
      killCase(places);
      sharedCases(places);
    }),
  );
