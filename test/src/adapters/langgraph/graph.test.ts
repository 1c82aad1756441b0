/** Real graphs on the checkpointer: interrupts, time travel, forks, and many turns at once. */
import { Command } from "@langchain/langgraph";
import { expect, it, onTestFinished } from "vitest";
import type { Runtime } from "../../../../src/index.ts";
import { HoldfastSaver } from "../../../../src/langgraph.ts";
import { collect } from "../../../support/collect.ts";
import { type AdapterStore, onEachStore } from "../adapter-stores.ts";
import { approvalGraph, logGraph, threadOf } from "./graphs.ts";

const NIGHTLY = process.env["TEST_SCALE"] === "nightly";
/** Turns that wait for each other. */
const IN_TURN = NIGHTLY ? 100 : 20;
const SLOW = { timeout: 120_000 };

function saverOn({ fresh, open }: AdapterStore): { runtime: Runtime; saver: HoldfastSaver } {
  const runtime = open(fresh());
  onTestFinished(() => runtime.close());
  return { runtime, saver: new HoldfastSaver({ runtime }) };
}

await onEachStore("langgraph-graph", (store) => {
  // More of them show nothing else on a further durable store, where none may wait too long for a connection.
  const turns = NIGHTLY || ["memory", "sqlite"].includes(store.name) ? 100 : 25;

  it("interrupts, and goes on in another runtime where the store lasts", async () => {
    const place = store.fresh();
    const first = store.open(place);
    const begun = approvalGraph(new HoldfastSaver({ runtime: first }));
    const asked: object = await begun.invoke({ count: 4 }, threadOf("t"));
    expect(asked).toMatchObject({ log: ["plan", "work"], __interrupt__: [{ value: "may I?" }] });
    if (store.isDurable) await first.close();
    const second = store.isDurable ? store.open(place) : first;
    onTestFinished(() => second.close());
    const graph = approvalGraph(new HoldfastSaver({ runtime: second }));
    expect((await graph.getState(threadOf("t"))).next).toEqual(["ask"]);
    const done = await graph.invoke(new Command({ resume: "yes" }), threadOf("t"));
    expect(done).toMatchObject({ log: ["plan", "work", "answer yes", "act 5"], count: 5 });
  });

  it("goes back to any checkpoint, and a fork leaves its origin as it was", async () => {
    const { saver } = saverOn(store);
    const graph = logGraph(saver);
    await graph.invoke({ word: "a" }, threadOf("t"));
    await graph.invoke({ word: "b" }, threadOf("t"));
    const before = await collect(graph.getStateHistory(threadOf("t")));
    expect(before.map(({ values }) => Object(values).log)).toEqual([
      ["a", "a!", "b", "b!"],
      ["a", "a!", "b"],
      ["a", "a!"],
      ["a", "a!"],
      ["a", "a!"],
      ["a"],
      [],
      [],
    ]);
    const [, heardB] = before;
    const forked = await graph.updateState(heardB?.config ?? {}, { word: "c" });
    expect(await graph.invoke(null, forked)).toMatchObject({ log: ["a", "a!", "b", "c!"] });
    for (const { config, values } of before)
      expect((await graph.getState(config)).values).toEqual(values);
  });

  it("keeps apart two forks of one checkpoint, whose channels have the same versions", async () => {
    const { saver } = saverOn(store);
    const graph = logGraph(saver);
    await graph.invoke({ word: "a" }, threadOf("t"));
    const { config } = await graph.getState(threadOf("t"));
    const [left, right] = [
      await graph.updateState(config, { log: ["left"] }, "say"),
      await graph.updateState(config, { log: ["right"] }, "say"),
    ];
    const versions = async (of: object): Promise<unknown> =>
      (await saver.getTuple(of))?.checkpoint.channel_versions;
    expect(await versions(left)).toEqual(await versions(right));
    expect((await graph.getState(left)).values).toMatchObject({ log: ["a", "a!", "left"] });
    expect((await graph.getState(right)).values).toMatchObject({ log: ["a", "a!", "right"] });
  });

  it("copies a checkpoint with all its values", async () => {
    const { saver } = saverOn(store);
    const graph = logGraph(saver);
    await graph.invoke({ word: "a" }, threadOf("t"));
    const history = await collect(graph.getStateHistory(threadOf("t")));
    for (const { config, values } of [history[0], history.at(-1)].flatMap((each) => each ?? [])) {
      const copy = await graph.updateState(config, null, "__copy__");
      expect((await graph.getState(copy)).values).toEqual(values);
    }
  });

  it(`runs ${turns} threads at once`, SLOW, async () => {
    const { saver } = saverOn(store);
    const graph = logGraph(saver);
    const names = Array.from({ length: turns }, (_, n) => `t${n}`);
    const ends = await Promise.all(
      names.map((name) => graph.invoke({ word: name }, threadOf(name))),
    );
    expect(ends.map((end) => end["log"])).toEqual(names.map((name) => [name, `${name}!`]));
    for (const name of names)
      expect((await graph.getState(threadOf(name))).values).toMatchObject({
        log: [name, `${name}!`],
      });
  });

  it(`keeps every checkpoint of ${turns} turns at once on one thread`, SLOW, async () => {
    const { saver } = saverOn(store);
    const graph = logGraph(saver);
    const words = Array.from({ length: turns }, (_, n) => `w${n}`);
    await Promise.all(words.map((word) => graph.invoke({ word }, threadOf("t"))));
    const logs = (await collect(saver.list(threadOf("t")))).map(
      ({ checkpoint }) => checkpoint.channel_values["log"] as string[] | undefined,
    );
    // Input, first and second step.
    expect(logs.length).toBe(turns * 4);
    for (const word of words)
      expect(logs.some((log) => log?.at(-2) === word && log.at(-1) === `${word}!`)).toBe(true);
  });

  it(`loses none of ${IN_TURN} turns that each have the thread to themselves`, SLOW, async () => {
    const { runtime, saver } = saverOn(store);
    const graph = logGraph(saver);
    const words = Array.from({ length: IN_TURN }, (_, n) => `w${n}`);
    const alone = await runtime.open("session", "t");
    await Promise.all(
      words.map((word) => alone.exclusive(() => graph.invoke({ word }, threadOf("t")))),
    );
    const { log } = Object((await graph.getState(threadOf("t"))).values);
    expect(log).toEqual(words.flatMap((word) => [word, `${word}!`]));
  });
});
