/** The feed when the line is cut, late or refused: what a real server does only now and then. */
import { describe, expect, it } from "vitest";
import type { RuntimeFeedItem } from "../../../../actors/protocol.ts";
import { CommitUnknownError, StoreUnavailableError } from "../../../../actors/errors.ts";
import { defineKind } from "../../../../src/runtime/kinds.ts";
import { encodeKey } from "../../../../src/runtime/scope-key.ts";
import { memoryStore } from "../../../../src/stores/memory/store.ts";
import type { StateStore } from "../../../../src/stores/contract.ts";
import { simulatedClock } from "../../../../src/testing/clock.ts";
import { watchCases } from "../../../suites/runtime-watch.ts";
import { add, steer, World, type Counter } from "../../../suites/runtime-world.ts";
import { watchedStores, type WatchedStores } from "../../../support/watched-store.ts";
import { gate, settled, until } from "../../../support/waiting.ts";

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

async function collect(
  items: AsyncIterable<RuntimeFeedItem>,
  count: number,
): Promise<RuntimeFeedItem[]> {
  const seen: RuntimeFeedItem[] = [];
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
      expect(seen).toMatchObject([
        { type: "state_change", version: 1 },
        { type: "snapshot", version: 6 },
        { type: "state_change", version: 7 },
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
    const held = gate();
    let reads = 0;
    store.before = async (operation) => {
      if (operation !== "load") return;
      reads += 1;
      await held.promise;
    };
    await mine.atomicState(add);
    await until(() => reads === 1);
    const answers = Promise.all([scope.atomicState(add), scope.atomicState(add)]);
    held.open();
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
    expect(world.logger.lines).toEqual([]);
    await clock.advance(1_500);
    await clock.advance(2_500);
    expect(world.logger.lines.map(({ message }) => message)).toEqual([
      "changes of other processes are not watched yet",
      "changes of other processes are not watched yet",
    ]);
    line.refusal = null;
    await clock.advance(5_000);
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

/** A store on the line whose `watch` is in the test's hand. */
function notified(line: WatchedStores): {
  store: StateStore;
  tell: (key: string, n: number) => void;
} {
  let hear: (key: string, version: number) => void = () => undefined;
  const store: StateStore = {
    ...line.open(),
    watch: (changed) => {
      hear = changed;
      return Promise.resolve(() => Promise.resolve());
    },
  };
  return { store, tell: (key, version) => hear(key, version) };
}

describe("a record on its way", () => {
  it("N1: a scope hears what was reported while it was being loaded", async () => {
    const world = new World(stores);
    const mine = await world.runtime().open<Counter>("user", "u");
    await mine.atomicState(add);
    const inner = lineOf(world.id).open();
    const held = gate();
    let isHeld = false;
    const store: StateStore = {
      ...inner,
      async load(keys) {
        const records = await inner.load(keys);
        if (isHeld) await held.promise;
        return records;
      },
    };
    const there = world.runtime({ store });
    await there.open("user", "other");
    isHeld = true;
    const opening = there.open<Counter>("user", "u");
    await settled();
    await mine.atomicState(add);
    await settled();
    held.open();
    const scope = await opening;
    await until(() => scope.version === 2);
    expect(scope.state).toEqual({ n: 2 });
  });

  it("U2: what was reported of it is told before anything changes it here", async () => {
    const world = new World(stores);
    const line = lineOf(world.id);
    const mine = await world.runtime().open<Counter>("user", "u");
    const store = steer(line.open());
    const there = world.runtime({ store });
    await there.open("user", "other");
    const versions: [number, string][] = [];
    there.subscribe(({ version, origin }) => void versions.push([version, origin]));
    const held = gate();
    store.before = (operation) => (operation === "load" ? held.promise : undefined);
    await mine.atomicState(add);
    await settled();
    const opening = there.open<Counter>("user", "u");
    held.open();
    await (await opening).atomicState(add);
    await settled();
    expect(versions).toEqual([
      [1, "remote"],
      [2, "local"],
    ]);
  });

  it("U1: no version is told twice, however often it is reported", async () => {
    const world = new World(stores);
    const { store, tell } = notified(lineOf(world.id));
    const there = world.runtime({ store });
    const versions: number[] = [];
    there.subscribe(({ version }) => void versions.push(version));
    const mine = await world.runtime().open<Counter>("user", "u");
    await mine.atomicState(add);
    await mine.atomicState(add);
    for (const version of [1, 2, 2]) {
      tell(encodeKey("holdfast", "user", "u"), version);
      await settled();
    }
    expect(versions).toEqual([2]);
  });

  it("U3: a read that failed because the store was away is tried again", async () => {
    const clock = simulatedClock(1_000);
    const line = watchedStores(memoryStore({ clock }));
    const world = new World({ ...stores, open: () => line.open() }, clock);
    const store = steer(line.open());
    const there = world.runtime({ store });
    await there.open("user", "other");
    const versions: number[] = [];
    there.subscribe(({ version }) => void versions.push(version));
    const mine = await world.runtime().open<Counter>("user", "u");
    let failures = 0;
    store.before = () => {
      failures += 1;
      throw new StoreUnavailableError("away");
    };
    await mine.atomicState(add);
    await until(() => failures === 1);
    store.before = () => undefined;
    await clock.advance(2_000);
    await until(() => versions.length > 0);
    expect(versions).toEqual([1]);
  });
});

describe("the beginning", () => {
  it("N3: holds nobody up who closes the runtime meanwhile", async () => {
    const world = new World(stores);
    const never = new Promise<never>(() => undefined);
    const there = world.runtime({ store: { ...lineOf(world.id).open(), watch: () => never } });
    const opening = there.open("user", "u");
    await there.close();
    expect((await opening).version).toBe(0);
  });

  it("of a kind that is declared later comes at once when somebody listens", async () => {
    const world = new World(stores);
    const there = world.runtime({ store: memoryStore() });
    const versions: number[] = [];
    there.subscribe(({ version }) => void versions.push(version));
    there.declare("late", defineKind({ store: lineOf(world.id).open() }));
    await settled();
    const kinds = { late: defineKind() };
    const mine = await world.runtime({ kinds }).open<Counter>("late", "l");
    await mine.atomicState(add);
    await until(() => versions.length > 0);
    expect(versions).toEqual([1]);
  });
});

describe("a checkpoint scope that was changed here and elsewhere", () => {
  const kinds = { draft: defineKind({ durability: "checkpoint" as const }) };

  it("makes its own changes again on top of what it is notified of", async () => {
    const world = new World(stores);
    const store = steer(lineOf(world.id).open());
    const scope = await world.runtime({ kinds, store }).open<Counter>("draft", "d");
    const mine = await world.runtime({ kinds }).open<Counter>("draft", "d");
    const held = gate();
    store.before = (operation) => (operation === "commit" ? held.promise : undefined);
    expect(await scope.patchState({ n: 10 })).toBe(true);
    await settled();
    await mine.patchState({ text: "theirs" });
    await mine.flush();
    await settled();
    held.open();
    await until(() => scope.state.text === "theirs");
    await scope.flush();
    expect(scope.state).toEqual({ n: 10, text: "theirs" });
    await until(() => mine.version === scope.version);
    expect(mine.state).toEqual(scope.state);
    expect(await scope.patchState({ n: 2 })).toBe(true);
    await scope.flush();
    await until(() => mine.state.n === 2);
    expect(world.logger.lines).toEqual([]);
  });

  it("N2: a catch-up whose own write ended in doubt is tried again", async () => {
    const clock = simulatedClock(1_000);
    const line = watchedStores(memoryStore({ clock }));
    const world = new World({ ...stores, open: () => line.open() }, clock);
    const store = steer(line.open());
    const scope = await world.runtime({ kinds, store }).open<Counter>("draft", "d");
    const mine = await world.runtime({ kinds }).open<Counter>("draft", "d");
    let failures = 0;
    store.before = (operation) => {
      if (operation === "commit" && failures++ < 2) throw new CommitUnknownError();
    };
    await scope.patchState({ n: 10 });
    await until(() => failures === 1);
    await mine.patchState({ text: "theirs" });
    await mine.flush();
    await until(() => failures >= 2);
    await clock.advance(2_000);
    await until(() => scope.state.text === "theirs");
    await scope.flush();
    expect([scope.state, scope.version]).toEqual([{ n: 10, text: "theirs" }, 2]);
  });

  it("N1: changes nothing before it has read what it was told of", async () => {
    const clock = simulatedClock(1_000);
    const line = watchedStores(memoryStore({ clock }));
    const world = new World({ ...stores, open: () => line.open() }, clock);
    const store = steer(line.open());
    const scope = await world.runtime({ kinds, store }).open<Counter>("draft", "d");
    const mine = await world.runtime({ kinds }).open<Counter>("draft", "d");
    let failures = 0;
    store.before = () => {
      if (failures++ === 0) throw new StoreUnavailableError("away");
    };
    await mine.incState({ n: 1 });
    await mine.flush();
    await until(() => failures > 0);
    await settled();
    await scope.incState({ n: 10 });
    expect(scope.state).toEqual({ n: 11 });
    await scope.flush();
  });
});

it("N1: a read that ran out of time behind a long turn is tried again", async () => {
  const clock = simulatedClock(1_000);
  const line = watchedStores(memoryStore({ clock }));
  const world = new World({ ...stores, open: () => line.open() }, clock);
  // Local: the long call must not be what brings the change.
  const kinds = { user: defineKind({ answers: "local" }) };
  const scope = await world.runtime({ mutationTimeoutMs: 100, kinds }).open<Counter>("user", "u");
  const mine = await world.runtime().open<Counter>("user", "u");
  const held = gate();
  const long = scope.atomicState(() => held.promise, { timeoutMs: 0 });
  await mine.atomicState(add);
  await settled();
  await clock.advance(500);
  expect(scope.version).toBe(0);
  held.open();
  await long;
  // In steps shorter than its time, for the store answers in real time.
  for (let step = 0; step < 100 && scope.version === 0; step += 1) {
    await clock.advance(20);
    await settled();
  }
  expect(scope.state).toEqual({ n: 1 });
});
