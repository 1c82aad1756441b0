/** `history` while others change the scope. */
import { expect, it } from "vitest";
import { defineKind } from "../../../src/runtime/kinds.ts";
import { createRuntime, type Runtime } from "../../../src/runtime/runtime.ts";
import type { Scope } from "../../../src/runtime/scope.ts";
import type { StateStore } from "../../../src/stores/contract.ts";
import { memoryStore } from "../../../src/stores/memory/store.ts";
import { collect } from "../../support/collect.ts";

interface Count {
  n: number;
}

const kinds = {
  saved: defineKind<Count>({ initial: { n: 0 }, history: { versions: 3 } }),
  late: defineKind<Count>({ initial: { n: 0 }, durability: "checkpoint", history: {} }),
};

/** A scope in two runtimes that do not watch each other; `meanwhile` runs before a history is read. */
async function setUp(type: keyof typeof kinds) {
  const inner = memoryStore();
  const steps = { meanwhile: async (): Promise<void> => {} };
  const store: StateStore = {
    ...inner,
    load: (keys) => inner.load(keys),
    commit: (writes, options) => inner.commit(writes, options),
    list: (query) => inner.list(query),
    history: async (key, query) => {
      await steps.meanwhile();
      return inner.history?.(key, query) ?? [];
    },
    close: () => inner.close(),
  };
  const open = (runtime: Runtime): Promise<Scope<Count>> => runtime.open(type, "x");
  const runtimes = [
    createRuntime({ store, kinds, watch: false }),
    createRuntime({ store: inner, kinds, watch: false }),
  ] as const;
  return { steps, mine: await open(runtimes[0]), theirs: await open(runtimes[1]) };
}

const versionsOf = async (scope: Scope<Count>, options = {}): Promise<number[]> =>
  (await collect(scope.history(options))).map(({ version }) => version);

it("is never empty, however many changes are made before it is read", async () => {
  const { steps, mine, theirs } = await setUp("saved");
  for (let n = 1; n <= 4; n += 1) await mine.incState({ n: 1 });
  steps.meanwhile = async () => {
    for (let n = 1; n <= 5; n += 1) await theirs.incState({ n: 1 });
    steps.meanwhile = async () => {};
  };
  expect(await versionsOf(mine)).toEqual([9, 8, 7]);
  expect(await versionsOf(mine, { before: 9 })).toEqual([8, 7]);
});

it("has each version once while another writer's changes are not yet adopted", async () => {
  const { mine, theirs } = await setUp("late");
  await mine.incState({ n: 1 });
  await mine.flush();
  await theirs.refresh();
  for (let n = 1; n <= 3; n += 1) await theirs.incState({ n: 1 });
  await mine.incState({ n: 1 });
  await theirs.flush();
  expect(await versionsOf(mine)).toEqual([2, 1]);
  await mine.flush();
  expect(await versionsOf(mine)).toEqual([5, 4, 3, 2, 1]);
});
