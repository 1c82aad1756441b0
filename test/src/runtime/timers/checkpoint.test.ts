/** Timers of checkpoint scopes that two runtimes change before either has stored its changes. */
import { expect, it } from "vitest";
import { defineKind } from "../../../../src/runtime/kinds.ts";
import { createRuntime, type Runtime } from "../../../../src/runtime/runtime.ts";
import type { Scope } from "../../../../src/runtime/scope.ts";
import { memoryStore } from "../../../../src/stores/memory/store.ts";

interface Count {
  n: number;
}

const LATER = { afterMs: 3_600_000 };
const timed = defineKind<Count, "remind">({
  initial: { n: 0 },
  durability: "checkpoint",
  timers: { remind: () => undefined },
});

/** One scope in two runtimes that do not watch each other. */
async function setUp() {
  const store = memoryStore();
  const runtimes = [0, 1].map(() => createRuntime({ store, watch: false, kinds: { timed } }));
  const [mine, theirs] = await Promise.all(
    runtimes.map((runtime: Runtime): Promise<Scope<Count>> => runtime.open("timed", "x")),
  );
  if (mine === undefined || theirs === undefined) throw new Error("two scopes");
  const close = () => Promise.all(runtimes.map((runtime) => runtime.close()));
  return { mine, theirs, close };
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
