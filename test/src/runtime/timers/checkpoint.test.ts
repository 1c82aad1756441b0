/** Timers of scopes that two runtimes change, of which one is behind the other. */
import { describe, expect, it } from "vitest";
import { defineKind } from "../../../../src/runtime/kinds.ts";
import { createRuntime, type Runtime } from "../../../../src/runtime/runtime.ts";
import type { Scope } from "../../../../src/runtime/scope.ts";
import { memoryStore } from "../../../../src/stores/memory/store.ts";
import { type SimulatedClock, simulatedClock } from "../../../../src/testing/clock.ts";
import { settled, turned } from "../../../support/waiting.ts";

interface Count {
  n: number;
}

const LATER = { afterMs: 3_600_000 };
const timed = defineKind<Count, "remind">({
  initial: { n: 0 },
  durability: "checkpoint",
  timers: { remind: () => undefined },
});
const saved = defineKind<Count, "remind">({ ...timed, durability: "commit" });

/** One scope in two runtimes that do not watch each other. */
async function setUp(kind: "timed" | "saved" = "timed", clock?: SimulatedClock) {
  const store = memoryStore({ clock });
  const one = () => createRuntime({ store, clock, watch: false, kinds: { timed, saved } });
  const [first, second] = [one(), one()];
  const open = (runtime: Runtime): Promise<Scope<Count>> => runtime.open(kind, "x");
  const close = () => Promise.all([first.close(), second.close()]);
  return { first, second, mine: await open(first), theirs: await open(second), close };
}

const remind = (scope: Scope<Count>, key: string) =>
  scope.update((draft, { schedule }) => {
    draft.n += 1;
    schedule("remind", LATER, undefined, { key });
  });

const keysOf = async (scope: Scope<Count>): Promise<string[]> =>
  (await scope.timers()).map(({ key }) => key).toSorted();

it("a scope that is behind its ledger keeps the timers of the other runtime", async () => {
  const { mine, theirs, close } = await setUp();
  for (const key of ["a", "b", "c"]) await remind(mine, key);
  await mine.schedule("remind", LATER, undefined, { key: "d" });
  await theirs.schedule("remind", LATER, undefined, { key: "e" });
  expect(await keysOf(theirs)).toEqual(["a", "b", "c", "d", "e"]);
  expect(await keysOf(mine)).toEqual(["a", "b", "c", "d", "e"]);
  await close();
});

it("a scope behind its ledger keeps it in a recipe that changes nothing, too", async () => {
  const { mine, theirs, close } = await setUp();
  for (const key of ["a", "b", "c"]) await remind(mine, key);
  await mine.schedule("remind", LATER, undefined, { key: "d" });
  await theirs.update((_, { schedule }) => {
    schedule("remind", LATER, undefined, { key: "e" });
  });
  expect(await keysOf(theirs)).toEqual(["a", "b", "c", "d", "e"]);
  await close();
});

it("a timer whose change is not stored yet does not take the number of another one", async () => {
  const { mine, theirs, close } = await setUp();
  const keys: string[] = [];
  const add = (name: string): string => {
    keys.push(name);
    return name;
  };
  for (let round = 0; round < 10; round += 1)
    await Promise.all(
      [mine, theirs].flatMap((scope, who) => [
        remind(scope, add(`noted ${who} ${round}`)),
        scope.schedule("remind", LATER, undefined, { key: add(`set ${who} ${round}`) }),
        Promise.resolve().then(() => remind(scope, add(`later ${who} ${round}`))),
      ]),
    );
  await Promise.all([mine, theirs].map((scope) => scope.flush()));
  await mine.refresh();
  expect(await keysOf(mine)).toEqual(keys.toSorted());
  await close();
});

it("a transaction without a change keeps the timers of a scope that is behind its ledger", async () => {
  const { second, mine, theirs, close } = await setUp();
  const other = await second.open("timed", "y");
  for (const key of ["a", "b", "c"]) await remind(mine, key);
  await mine.schedule("remind", LATER, undefined, { key: "d" });
  await second.transact([theirs, other], (_, { schedule }) => {
    schedule(theirs, "remind", LATER, undefined, { key: "e" });
  });
  expect(await keysOf(theirs)).toEqual(["a", "b", "c", "d", "e"]);
  await close();
});

it("a transaction without a change does not wait for scopes that it has claimed", async () => {
  const clock = simulatedClock(1);
  const { second, mine, theirs, close } = await setUp("timed", clock);
  const other = await second.open("timed", "y");
  for (const [scope, key] of [
    [mine, "a"],
    [theirs, "b"],
  ] as const)
    await remind(scope, key);
  await mine.flush();
  void theirs.flush();
  await settled(); // It has met the change of `mine`, and waits before it tries again.
  const setting = second.transact([theirs, other], async (_, { schedule }) => {
    await clock.advance(1_000);
    schedule(theirs, "remind", LATER, undefined, { key: "c" });
  });
  await turned(clock, setting);
  await theirs.flush();
  await mine.refresh();
  expect(await keysOf(mine)).toEqual(["a", "b", "c"]);
  await close();
});

it("a long list of notes that is behind its ledger keeps what the ledger has", async () => {
  const { mine, theirs, close } = await setUp("saved");
  const keys = Array.from({ length: 70 }, (_, at) => `noted ${String(at)}`);
  for (const key of keys.slice(0, 64)) await remind(theirs, key);
  await mine.refresh();
  for (const key of keys.slice(64)) await remind(mine, key);
  await mine.schedule("remind", LATER, undefined, { key: "set" });
  await theirs.update((draft, { schedule }) => {
    draft.n += 1;
    schedule("remind", LATER, undefined, { key: "last" });
  });
  expect(await keysOf(theirs)).toEqual([...keys, "set", "last"].toSorted());
  await close();
});

it("a section stores changes on those of another runtime that was first", async () => {
  const clock = simulatedClock(1);
  const { mine, theirs, close } = await setUp("timed", clock);
  await Promise.all([remind(mine, "a"), remind(theirs, "b")]);
  await mine.flush();
  const flushing = theirs.flush();
  await settled(); // As above.
  await theirs.exclusive(async (held) => {
    await clock.advance(1_000);
    await held.incState({ n: 1 });
    await held.schedule("remind", LATER, undefined, { key: "c" });
  });
  await flushing;
  await mine.refresh();
  expect(mine.state.n).toBe(3);
  expect(await keysOf(mine)).toEqual(["a", "b", "c"]);
  await close();
});

it("timers of a scope that was erased do not hide those of its next life", async () => {
  const { first, mine, close } = await setUp("saved");
  for (const key of ["a", "b", "c"]) await remind(mine, key);
  await mine.schedule("remind", LATER, undefined, { key: "d" });
  await first.erase({ type: "saved", id: "x" });
  for (const key of ["e", "f", "g"]) await remind(mine, key);
  expect(await keysOf(mine)).toEqual(["e", "f", "g"]);
  await close();
});

describe("a change that is made again on a state where it changes nothing", () => {
  it("keeps its timer", async () => {
    const { mine, theirs, close } = await setUp();
    for (const [scope, key] of [
      [mine, "a"],
      [theirs, "b"],
    ] as const)
      await scope.update((draft, { schedule }) => {
        draft.n = 5;
        schedule("remind", LATER, undefined, { key });
      });
    await Promise.all([mine.flush(), theirs.flush()]);
    await mine.refresh();
    expect(await keysOf(mine)).toEqual(["a", "b"]);
    await close();
  });

  it("keeps the timer of a transaction", async () => {
    const { first, second, mine, theirs, close } = await setUp();
    for (const [runtime, scope, key] of [
      [first, mine, "a"],
      [second, theirs, "b"],
    ] as const)
      await runtime.transact([scope], ([draft], { schedule }) => {
        if (draft !== undefined) draft.n = 5;
        schedule(scope, "remind", LATER, undefined, { key });
      });
    await Promise.all([mine.flush(), theirs.flush()]);
    await mine.refresh();
    expect(await keysOf(mine)).toEqual(["a", "b"]);
    await close();
  });
});
