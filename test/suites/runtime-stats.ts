/** What `runtime.stats()` counts and what `scope.stats` shows, on any store. */
import { describe, expect, it } from "vitest";
import { StoreUnavailableError } from "../../actors/errors.ts";
import type { Runtime } from "../../src/runtime/runtime.ts";
import type { RuntimeStats } from "../../src/runtime/stats.ts";
import { add, steer, World, type Counter, type RuntimeStores } from "./runtime-world.ts";
import { gate, rejection, until } from "../support/waiting.ts";

const NONE: RuntimeStats = {
  residentScopes: 0,
  waiting: 0,
  commits: 0,
  mutations: 0,
  folded: 0,
  conflicts: 0,
  escalations: 0,
  checkpointErrors: 0,
  storeErrors: 0,
};

/** Expects exactly these counts, and 0 in all others. */
function expectStats(runtime: Runtime, counts: Partial<RuntimeStats>): void {
  const stats = runtime.stats();
  expect(stats).toEqual({ ...NONE, ...counts });
  expect(Object.isFrozen(stats)).toBe(true);
}

/** Claims about the counts of a runtime and the present work of a scope. */
export function statsCases(stores: RuntimeStores): void {
  describe("statistics", () => {
    it("count a batch as one save and each of its changes as folded", async () => {
      const runtime = new World(stores).runtime();
      expectStats(runtime, {});
      const scope = await runtime.open<Counter>("user", "a");
      await scope.incState({ n: 1 });
      expectStats(runtime, { residentScopes: 1, commits: 1, mutations: 1 });
      await Promise.all([
        ...[1, 2, 3].map((n) => scope.incState({ n })),
        scope.incState({ n: 0 }), // Changes nothing.
        rejection(scope.atomicState(() => Promise.reject(new Error("no")))),
      ]);
      await scope.patchState({ n: 7 }); // Changes nothing, in a batch of its own.
      expectStats(runtime, { residentScopes: 1, commits: 2, mutations: 4, folded: 3 });
      await scope.delete();
      await scope.delete();
      await runtime.close();
      expectStats(runtime, { commits: 3, mutations: 5, folded: 3 });
    });

    it("count volatile changes without a save, and a transaction as a save of each scope", async () => {
      const world = new World(stores);
      const runtime = world.runtime();
      const temp = await runtime.open<Counter>("temp", "a");
      await Promise.all([temp.incState({ n: 1 }), temp.incState({ n: 1 })]);
      await temp.delete();
      expectStats(runtime, { residentScopes: 1, mutations: 3 });
      const isStored = world.store().supports.transactions;
      const other = await runtime.open<Counter>(isStored ? "user" : "temp", "b");
      await runtime.transaction([other, temp], (one, two) => void (one.n = two.n = 1));
      expectStats(runtime, { residentScopes: 2, mutations: 5, commits: isStored ? 1 : 0 });
    });

    it("count the writes in the background of a checkpoint scope, and those that failed", async () => {
      const store = steer(new World(stores).store());
      const runtime = new World(stores).runtime({ store });
      const draft = await runtime.open<Counter>("draft", "a");
      await Promise.all([draft.incState({ n: 1 }), draft.atomicState(add)]);
      expectStats(runtime, { residentScopes: 1, mutations: 2 });
      await draft.flush();
      expectStats(runtime, { residentScopes: 1, mutations: 2, commits: 1, folded: 2 });
      store.before = () => Promise.reject(new StoreUnavailableError("away"));
      await draft.incState({ n: 1 });
      await rejection(draft.flush());
      store.before = () => undefined;
      await draft.flush();
      const counts = { residentScopes: 1, mutations: 3, commits: 2, folded: 2 };
      expectStats(runtime, { ...counts, checkpointErrors: 1, storeErrors: 1 });
    });

    it("count each save that met another version, and the attempt under a lease", async () => {
      const cas = { maxRetries: 0, baseDelayMs: 0 };
      const [one, other] = new World(stores).pair({ watch: false, cas });
      const mine = await one.open<Counter>("user", "a");
      const theirs = await other.open<Counter>("user", "a");
      await theirs.incState({ n: 1 });
      await Promise.all([mine.incState({ n: 1 }), mine.incState({ n: 1 })]);
      expect(mine.state).toEqual({ n: 3 });
      const counts = { residentScopes: 1, conflicts: 1, escalations: 1 };
      expectStats(one, { ...counts, mutations: 2, commits: 1, folded: 2 });
      expectStats(other, { residentScopes: 1, mutations: 1, commits: 1 });
      await rejection(theirs.delete({ signal: AbortSignal.abort(new Error("no")) }));
      await theirs.delete(); // Conflicts first, too.
      const deleted = { ...counts, mutations: 2, commits: 2 };
      expectStats(other, deleted);
      const draft = await one.open<Counter>("draft", "a");
      await (await other.open<Counter>("draft", "a")).incState({ n: 1 });
      await other.close();
      await draft.incState({ n: 1 });
      await draft.flush();
      const twice = { residentScopes: 2, conflicts: 2, escalations: 2 };
      expectStats(one, { ...twice, mutations: 3, commits: 2, folded: 2 });
    });

    it("count what the store failed: a load, a save, a transaction", async () => {
      const store = steer(new World(stores).store());
      const runtime = new World(stores).runtime({ store });
      const scope = await runtime.open<Counter>("user", "a");
      store.before = () => Promise.reject(new StoreUnavailableError("away"));
      await rejection(runtime.open("user", "b"), "STORE_UNAVAILABLE");
      await rejection(scope.incState({ n: 1 }), "STORE_UNAVAILABLE");
      await rejection(scope.refresh(), "STORE_UNAVAILABLE");
      expectStats(runtime, { residentScopes: 1, storeErrors: 3 });
    });

    it("show what a scope does: waiting calls, a mutator, a save", async () => {
      const store = steer(new World(stores).store());
      const runtime = new World(stores).runtime({ store });
      const before = Date.now();
      const scope = await runtime.open<Counter>("user", "a");
      const { residentSince, ...idle } = scope.stats;
      expect(idle).toEqual({ waiting: 0, running: false, saving: false, version: 0 });
      expect(residentSince).toBeGreaterThanOrEqual(before);
      expect(residentSince).toBeLessThanOrEqual(Date.now());
      const [mutator, saved] = [gate(), gate()];
      store.before = () => saved.promise;
      const first = scope.atomicState(() => mutator.promise);
      const calls = [first, scope.incState({ n: 1 }), scope.incState({ n: 1 })];
      const snapshot = scope.stats;
      expect(snapshot).toMatchObject({ waiting: 2, running: true, saving: false });
      expect(Object.isFrozen(snapshot)).toBe(true);
      expect(runtime.stats()).toMatchObject({ waiting: 2, residentScopes: 1 });
      mutator.open();
      await until(() => scope.stats.saving);
      expect(scope.stats).toMatchObject({ waiting: 0, running: false, version: 0 });
      saved.open();
      await Promise.all(calls);
      expect(scope.stats).toEqual({ ...idle, residentSince, version: 2 });
      expect(snapshot).toMatchObject({ waiting: 2, version: 0 });
    });

    it("show a write in the background, and work that has a scope to itself", async () => {
      const store = steer(new World(stores).store());
      const runtime = new World(stores).runtime({ store });
      const draft = await runtime.open<Counter>("draft", "a");
      const saved = gate();
      store.before = () => saved.promise;
      await draft.incState({ n: 1 });
      expect(draft.stats.saving).toBe(false);
      await until(() => draft.stats.saving);
      saved.open();
      await draft.flush();
      await until(() => !draft.stats.saving);
      const temp = await runtime.open<Counter>("temp", "a");
      const recipe = gate();
      const transaction = runtime.transaction([temp], () => recipe.promise);
      await until(() => temp.stats.running);
      void temp.incState({ n: 1 });
      expect(temp.stats).toMatchObject({ waiting: 1, running: true, saving: false });
      recipe.open();
      await transaction;
    });
  });
}
