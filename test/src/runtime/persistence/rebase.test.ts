import { expect, it } from "vitest";
import { StoreUnavailableError } from "../../../../actors/errors.ts";
import { BATCH_MAX } from "../../../../actors/scope/commit-batch.ts";
import { defineKind } from "../../../../src/runtime/kinds.ts";
import type { Scope } from "../../../../src/runtime/scope.ts";
import type { StateStore } from "../../../../src/stores/contract.ts";
import { memoryStore } from "../../../../src/stores/memory/store.ts";
import { simulatedClock } from "../../../../src/testing/clock.ts";
import {
  steer,
  World,
  type Counter,
  type RuntimeStores,
  type SteeredStore,
} from "../../../suites/runtime-world.ts";
import { gate, rejection, settled, until } from "../../../support/waiting.ts";

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
  for (let done = 0; done < BATCH_MAX; done += 1) void scope.incState({ n: 1 });
  expect(scope.state.n).toBe(BATCH_MAX);
  return { scope, store, other };
}

it("K5: a scope with too much that is not stored writes before it changes again", async () => {
  const { scope, store, other } = await filled();
  const held = gate();
  store.before = (operation) => (operation === "commit" ? held.promise : undefined);
  const waiting = scope.incState({ n: 1 });
  await settled();
  expect(scope.state.n).toBe(BATCH_MAX);
  held.open();
  expect(await waiting).toBe(true);
  await scope.flush();
  await other.refresh();
  expect(other.state.n).toBe(BATCH_MAX + 1);
});

it("K5: refuses further changes while they cannot be stored, and goes on afterwards", async () => {
  const { scope, store, other } = await filled();
  await rejection(scope.incState({ n: 1 }), "STORE_UNAVAILABLE");
  expect(scope.state.n).toBe(BATCH_MAX);
  store.before = () => undefined;
  expect(await scope.incState({ n: 1 })).toBe(true);
  await scope.flush();
  await other.refresh();
  expect(other.state.n).toBe(BATCH_MAX + 1);
});

it("K5: makes all of it again when another writer is first, also while it is full", async () => {
  const { scope, store, other } = await filled();
  await other.incState({ n: 1_000_000 });
  await other.flush();
  store.before = () => undefined;
  expect(await scope.incState({ n: 1 })).toBe(true);
  await scope.flush();
  await other.refresh();
  expect(other.state.n).toBe(1_000_000 + BATCH_MAX + 1);
});

it("E6: a runtime that closes while code runs again runs it once more, without a turn", async () => {
  const world = new World(stores);
  const store = steer(world.store());
  const mine = world.runtime({ kinds, store });
  const scope = await mine.open<Counter>("draft", "d");
  const other = await world.runtime({ kinds }).open<Counter>("draft", "d");
  const [held, running] = [gate(), gate()];
  store.before = (operation) => (operation === "commit" ? held.promise : undefined);
  const attempts: number[] = [];
  await scope.atomicState(async ({ n = 0 }, { attempt }) => {
    attempts.push(attempt);
    if (attempt === 2) await running.promise;
    return { n: n + 1 };
  });
  await settled();
  await other.incState({ n: 10 });
  await other.flush();
  held.open();
  await until(() => attempts.length === 2);
  const closing = mine.close({ drainMs: 0 });
  await settled();
  running.open();
  await closing;
  expect(attempts).toEqual([1, 2, 3]);
  await other.refresh();
  expect(other.state).toEqual({ n: 11 });
});

it("E6: a runtime that closes in a conflict waits for no time to pass", async () => {
  const clock = simulatedClock(1_000);
  const world = new World(stores, clock);
  const store = steer(world.store());
  const mine = world.runtime({ kinds, store, cas: { escalate: false, baseDelayMs: 1_000 } });
  const scope = await mine.open<Counter>("draft", "d");
  const other = await world.runtime({ kinds }).open<Counter>("draft", "d");
  const [held, met] = [gate(), gate()];
  store.before = (operation) => {
    if (operation !== "commit") return undefined;
    store.before = () => undefined;
    met.open();
    return held.promise;
  };
  await scope.incState({ n: 1 });
  await met.promise;
  await other.incState({ n: 10 });
  await other.flush();
  held.open();
  await settled(); // It met the conflict, and waits on a clock that stands.
  await mine.close();
  await other.refresh();
  expect(other.state).toEqual({ n: 11 });
});

it("K4: a time to live that ended here does not end what another writer stored later", async () => {
  const clock = simulatedClock(1_000);
  const world = new World({ name: "memory", open: () => memoryStore({ clock }) }, clock);
  const lasting = { code: defineKind({ durability: "checkpoint" as const, ttlMs: 1_000 }) };
  const open = () => world.runtime({ kinds: lasting }).open<Counter>("code", "c");
  const [here, there] = [await open(), await open()];
  await here.incState({ n: 1 });
  await here.flush();
  await there.refresh();
  await clock.advance(900);
  await there.incState({ n: 10 });
  await there.flush();
  await clock.advance(200);
  await here.flush();
  expect(here.state).toEqual({ n: 11 });
  await clock.advance(799);
  expect([here.state, there.state]).toEqual([{ n: 11 }, { n: 11 }]);
  await clock.advance(1); // No new life began when it was read.
  expect([here.state, there.state]).toEqual([{}, {}]);
});

it("K4: changes are not made again on a state whose time ended meanwhile", async () => {
  const clock = simulatedClock(1_000_000);
  const world = new World({ name: "memory", open: () => memoryStore({ clock }) }, clock);
  const mortal = { code: defineKind({ durability: "checkpoint" as const, ttlMs: 10_000 }) };
  const store = steer(world.store());
  const scope = await world.runtime({ kinds: mortal, store }).open<Counter>("code", "c");
  const other = await world.runtime({ kinds: mortal }).open<Counter>("code", "c");
  const [held, again] = [gate(), gate()];
  store.before = (operation) => (operation === "commit" ? held.promise : undefined);
  const attempts: number[] = [];
  await scope.atomicState(async ({ n = 0 }, { attempt }) => {
    attempts.push(attempt);
    if (attempt === 1) return { n: n + 1 };
    await again.promise;
    return {};
  });
  const seen: unknown[] = [];
  await scope.atomicState((state) => {
    seen.push({ ...state });
    return { n: (state.n ?? 0) + 1 };
  });
  await other.setState({ n: 100 });
  await other.flush();
  held.open();
  for (let tries = 0; tries < 100 && attempts.length < 2; tries += 1) await clock.advance(10);
  clock.setTime(clock.now() + 20_000);
  again.open();
  await scope.flush();
  expect(seen).toEqual([{ n: 1 }, {}]);
  expect(scope.state).toEqual({ n: 1 });
});

it("a section whose record cannot be kept ends, though another writer is always first", async () => {
  const world = new World(stores);
  const under = world.store();
  const { exclusive: _, ...supports } = under.supports;
  let writes = 0;
  const store: StateStore = {
    name: under.name,
    supports: { ...supports, exclusive: false },
    load: (keys) => under.load(keys),
    list: (query) => under.list(query),
    close: () => under.close(),
    commit: async (all, options) => {
      for (const { key, expectedVersion } of all) {
        writes += 1;
        const [found] = await under.load([key]);
        const version = (found?.version ?? expectedVersion) + 1;
        const state = found?.state ?? { n: 0 };
        await under.commit([{ key, expectedVersion: version - 1, version, state }]);
      }
      return under.commit(all, options);
    },
  };
  const runtime = world.runtime({ kinds, store, cas: { baseDelayMs: 0 } });
  const scope = await runtime.open<Counter>("draft", "d");
  const ended = rejection(scope.exclusive((held) => held.incState({ n: 1 })));
  expect(await ended).toMatchObject({ code: "CONCURRENT_MODIFICATION" });
  expect(writes).toBeLessThan(20);
});
