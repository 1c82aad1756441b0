import { expect, it } from "vitest";
import { StoreUnavailableError } from "../../actors/errors.ts";
import { ROUND_MAX } from "../../actors/round.ts";
import { defineKind } from "../../src/runtime/kinds.ts";
import type { Scope } from "../../src/runtime/scope.ts";
import { memoryStore } from "../../src/stores/memory.ts";
import {
  handle,
  rejection,
  settled,
  steer,
  World,
  type Counter,
  type RuntimeStores,
  type SteeredStore,
} from "../suites/runtime-world.ts";

const stores: RuntimeStores = { name: "memory", open: () => memoryStore() };
const kinds = { draft: defineKind({ durability: "checkpoint" as const }) };

/** A scope with as many changes as may wait to be stored, and another runtime's view of it. */
async function filled(): Promise<{
  scope: Scope<Counter>;
  store: SteeredStore;
  other: Scope<Counter>;
}> {
  const world = new World(stores);
  const store = steer(world.store());
  const scope = await world.runtime({ kinds, store }).open<Counter>("draft", "d");
  const other = await world.runtime({ kinds }).open<Counter>("draft", "d");
  store.before = (operation) => {
    if (operation === "commit") throw new StoreUnavailableError("away");
  };
  for (let done = 0; done < ROUND_MAX; done += 1) void scope.incState({ n: 1 });
  expect(scope.state.n).toBe(ROUND_MAX);
  return { scope, store, other };
}

it("K5: a scope with too much that is not stored writes before it changes again", async () => {
  const { scope, store, other } = await filled();
  const gate = handle();
  store.before = (operation) => (operation === "commit" ? gate.promise : undefined);
  const waiting = scope.incState({ n: 1 });
  await settled();
  expect(scope.state.n).toBe(ROUND_MAX);
  gate.open();
  expect(await waiting).toBe(true);
  await scope.flush();
  await other.refresh();
  expect(other.state.n).toBe(ROUND_MAX + 1);
});

it("K5: refuses further changes while they cannot be stored, and goes on afterwards", async () => {
  const { scope, store, other } = await filled();
  await rejection(scope.incState({ n: 1 }), "STORE_UNAVAILABLE");
  expect(scope.state.n).toBe(ROUND_MAX);
  store.before = () => undefined;
  expect(await scope.incState({ n: 1 })).toBe(true);
  await scope.flush();
  await other.refresh();
  expect(other.state.n).toBe(ROUND_MAX + 1);
});

it("K5: makes all of it again when another writer is first, also while it is full", async () => {
  const { scope, store, other } = await filled();
  await other.incState({ n: 1_000_000 });
  await other.flush();
  store.before = () => undefined;
  expect(await scope.incState({ n: 1 })).toBe(true);
  await scope.flush();
  await other.refresh();
  expect(other.state.n).toBe(1_000_000 + ROUND_MAX + 1);
});
