/** The feed when the line is cut, late or refused: what a real server does only now and then. */
import { describe, expect, it } from "vitest";
import type { FeedItem } from "../../../actors/protocol.ts";
import { StoreUnavailableError } from "../../../actors/errors.ts";
import { defineKind } from "../../../src/runtime/kinds.ts";
import { memoryStore } from "../../../src/stores/memory.ts";
import { simulatedClock } from "../../../src/testing/clock.ts";
import { watchCases } from "../../suites/runtime-watch.ts";
import {
  add,
  handle,
  settled,
  steer,
  until,
  World,
  type Counter,
} from "../../suites/runtime-world.ts";
import { watchedStores, type WatchedStores } from "../../support/watched-store.ts";

const lines = new Map<string, WatchedStores>();

function lineOf(id: string): WatchedStores {
  const line = lines.get(id) ?? watchedStores(memoryStore());
  lines.set(id, line);
  return line;
}

const stores = {
  name: "watched memory",
  several: true,
  open: (id: string) => lineOf(id).open(),
};

watchCases(stores);

async function collect(items: AsyncIterable<FeedItem>, count: number): Promise<FeedItem[]> {
  const seen: FeedItem[] = [];
  for await (const item of items) if (seen.push(item) === count) break;
  return seen;
}

describe("when the line is cut", () => {
  it("N2: a reader gets one snapshot marker for all it missed, then every change", async () => {
    const world = new World(stores);
    const [here, there] = world.pair();
    const mine = await here.open<Counter>("user", "u");
    const scope = await there.open<Counter>("user", "u");
    const perScope = collect(scope.changes(), 3);
    const perRuntime = collect(there.changes(), 3);
    await mine.atomicState(add);
    await until(() => scope.version === 1);
    lineOf(world.id).cut();
    for (let n = 0; n < 5; n += 1) await mine.atomicState(add);
    await settled();
    expect(scope.version).toBe(1);
    lineOf(world.id).mend();
    await until(() => scope.version === 6);
    await mine.atomicState(add);
    for (const seen of [await perScope, await perRuntime]) {
      expect(seen.map(({ type, version }) => [type, version])).toEqual([
        ["state_change", 1],
        ["snapshot", 6],
        ["state_change", 7],
      ]);
      expect(seen[1]).toMatchObject({ state: { n: 6 }, scope: scope.identity });
    }
  });

  it("N2: nothing is told when nothing was missed", async () => {
    const world = new World(stores);
    const [, there] = world.pair();
    const scope = await there.open<Counter>("user", "u");
    await scope.atomicState(add);
    const versions: number[] = [];
    scope.subscribe(({ version }) => void versions.push(version));
    lineOf(world.id).cut();
    lineOf(world.id).mend();
    await settled(30);
    await scope.atomicState(add);
    expect(versions).toEqual([2]);
  });

  it("N1: a scope that heard of a newer version reads before it mutates, once", async () => {
    const world = new World(stores);
    const store = steer(lineOf(world.id).open());
    const there = world.runtime({ store });
    const scope = await there.open<Counter>("user", "u");
    const mine = await world.runtime().open<Counter>("user", "u");
    const gate = handle();
    let reads = 0;
    store.before = async (operation) => {
      if (operation !== "load") return;
      reads += 1;
      await gate.promise;
    };
    await mine.atomicState(add);
    await until(() => reads === 1);
    const answers = Promise.all([scope.atomicState(add), scope.atomicState(add)]);
    gate.open();
    expect(await answers).toEqual([true, true]);
    expect([scope.state.n, scope.version, reads]).toEqual([3, 3, 1]);
  });

  it("N2: a read that fails is tried again, and mutations meanwhile are told", async () => {
    const clock = simulatedClock(1_000);
    const line = watchedStores(memoryStore({ clock }));
    const world = new World({ ...stores, open: () => line.open() }, clock);
    const away = new StoreUnavailableError("the server is away");
    const store = steer(line.open());
    const scope = await world.runtime({ store }).open<Counter>("user", "u");
    const mine = await world.runtime().open<Counter>("user", "u");
    let failures = 0;
    store.before = () => {
      failures += 1;
      throw away;
    };
    await mine.atomicState(add);
    await until(() => failures === 1);
    await expect(scope.atomicState(add)).rejects.toBe(away);
    store.before = () => undefined;
    await clock.advance(2_000);
    await until(() => scope.version === 1);
    expect(scope.state).toEqual({ n: 1 });
  });

  it("N3: a store that cannot be watched yet fails no call, and is watched later", async () => {
    const clock = simulatedClock(1_000);
    const line = watchedStores(memoryStore({ clock }));
    line.refusal = new StoreUnavailableError("the server is away");
    const world = new World({ ...stores, open: () => line.open() }, clock);
    const [here, there] = world.pair();
    const mine = await here.open<Counter>("user", "u");
    const scope = await there.open<Counter>("user", "u");
    await mine.atomicState(add);
    await settled();
    expect(scope.version).toBe(0);
    expect(world.logger.lines.map(({ message }) => message)).toEqual([
      "changes of other processes are not heard yet",
      "changes of other processes are not heard yet",
    ]);
    line.refusal = null;
    await clock.advance(1_500);
    await until(() => scope.version === 1);
  });

  it("a state the schema refuses here is logged once and told to the next mutation", async () => {
    const world = new World(stores);
    const strict = defineKind<Counter>({
      schema: {
        "~standard": {
          version: 1,
          vendor: "test",
          validate: (value) =>
            (value as Counter).n === 2
              ? { issues: [{ message: "no 2" }] }
              : { value: value as Counter },
        },
      },
    });
    const loose = world.runtime({ kinds: { thing: defineKind() } });
    const there = world.runtime({ kinds: { thing: strict } });
    const scope = await there.open<Counter>("thing", "t");
    const mine = await loose.open<Counter>("thing", "t");
    await mine.patchState({ n: 2 });
    await until(() => world.logger.lines.length > 0);
    await settled(30);
    expect(world.logger.lines).toHaveLength(1);
    await expect(scope.patchState({ text: "x" })).rejects.toMatchObject({ code: "STATE_INVALID" });
    await mine.patchState({ n: 3 });
    await until(() => scope.version === 2);
    expect(await scope.patchState({ text: "x" })).toBe(true);
  });

  it("a checkpoint scope writes its own first, and yields when the other was faster", async () => {
    const world = new World(stores);
    const kinds = { draft: defineKind({ durability: "checkpoint" as const }) };
    const [here, there] = world.pair({ kinds });
    const mine = await here.open<Counter>("draft", "d");
    const scope = await there.open<Counter>("draft", "d");
    await mine.patchState({ n: 1 });
    await mine.flush();
    await until(() => scope.version === 1);
    expect(scope.state).toEqual({ n: 1 });
    await scope.patchState({ n: 2 });
    await scope.flush();
    await until(() => mine.version === 2);
    expect(mine.state).toEqual({ n: 2 });
  });

  it("closing ends the watching, and late reports go nowhere", async () => {
    const world = new World(stores);
    const [here, there] = world.pair();
    const mine = await here.open<Counter>("user", "u");
    await there.open<Counter>("user", "u");
    const closing = there.close();
    await mine.atomicState(add);
    await closing;
    await settled();
    expect(world.logger.lines).toEqual([]);
  });
});
