/** Erasing on stores that cannot erase, and what a bridge takes for damage. */
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it, onTestFinished, vi } from "vitest";
import { CommitUnknownError } from "../../../actors/errors.ts";
import { LastSeen } from "../../../src/runtime/persistence/last-seen.ts";
import { createRuntime } from "../../../src/runtime/runtime.ts";
import { encodeKey } from "../../../src/runtime/scope-key.ts";
import { memoryStore } from "../../../src/stores/memory/store.ts";
import type { StateStore } from "../../../src/stores/contract.ts";
import { simulatedClock } from "../../../src/testing/clock.ts";
import { type Counter, sharingStore } from "../../suites/runtime-world.ts";

/** A promise that `open` resolves. */
function gate(): { readonly promise: Promise<void>; readonly open: () => void } {
  let open = (): void => undefined;
  const promise = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { promise, open: () => open() };
}

it("a store without erase gets a delete whose tombstone is over at once", async () => {
  const inner = memoryStore();
  const kept: (number | undefined)[] = [];
  const store: StateStore = {
    name: "plain",
    supports: inner.supports,
    load: (keys) => inner.load(keys),
    commit: (writes, options) => {
      for (const { state, tombstoneMs } of writes) if (state === undefined) kept.push(tombstoneMs);
      return inner.commit(writes, options);
    },
    list: (query) => inner.list(query),
    close: () => inner.close(),
  };
  const runtime = createRuntime({ store });
  onTestFinished(() => runtime.close());
  const scope = await runtime.open<Counter>("user", "a");
  await scope.setState({ n: 1 });
  expect(await runtime.erase({ type: "user", id: "a" })).toBe(true);
  expect([scope.state, kept]).toEqual([{}, [0]]);
  expect(await runtime.erase({ type: "user", id: "a" })).toBe(false);
  expect((await store.load([encodeKey("holdfast", "user", "a")]))[0]?.state).toBe(undefined);
  expect(await scope.incState({ n: 2 })).toBe(true);
  expect((await scope.read()).n).toBe(2);
});

/** A store to which another program writes a record before each deletion, while `isBusy`. */
function contested(): { store: StateStore; isBusy: boolean; deletions: number } {
  const inner = sharingStore(memoryStore());
  Reflect.deleteProperty(inner, "erase");
  const world = { store: inner, isBusy: true, deletions: 0 };
  const write = async (key: string): Promise<void> => {
    const expectedVersion = (await inner.load([key]))[0]?.version ?? 0;
    await inner.commit([{ key, expectedVersion, version: expectedVersion + 1, state: { n: 0 } }]);
  };
  world.store = {
    ...inner,
    commit: async (writes, options) => {
      for (const { key, state } of writes) {
        if (state !== undefined || !world.isBusy) continue;
        world.deletions += 1;
        await write(key);
      }
      return inner.commit(writes, options);
    },
  };
  return world;
}

it("the deletion of a record that another program always writes first ends within cas", async () => {
  const world = contested();
  const cas = { maxRetries: 2, baseDelayMs: 0 };
  const [one, other] = [
    createRuntime({ store: world.store }),
    createRuntime({ store: world.store, cas }),
  ];
  onTestFinished(() => Promise.all([one.close(), other.close()]).then(() => undefined));
  await (await one.open<Counter>("user", "a")).setState({ n: 1 });
  const conflict = { code: "CONCURRENT_MODIFICATION", attempts: 3 };
  await expect(other.deleteAll({ type: "user" })).rejects.toMatchObject(conflict);
  expect(world.deletions).toBe(4); // The first one guessed the version.
  world.isBusy = false;
  expect(await other.deleteAll({ type: "user" })).toBe(1);
});

it("an erasure by deletion gives up when another program always writes first", async () => {
  const world = contested();
  const runtime = createRuntime({ store: world.store });
  onTestFinished(() => runtime.close());
  await (await runtime.open<Counter>("user", "a")).setState({ n: 1 });
  const refused = { code: "STORE_UNAVAILABLE" };
  await expect(runtime.erase({ type: "user", id: "a" })).rejects.toMatchObject(refused);
  expect(world.deletions).toBe(10);
  world.isBusy = false;
  expect(await runtime.erase({ type: "user", id: "a" })).toBe(true);
});

it("runtimes on one store object notice an erasure, whatever they hold", async () => {
  const store = memoryStore();
  const [one, other] = [createRuntime({ store }), createRuntime({ store })];
  onTestFinished(() => Promise.all([one.close(), other.close()]).then(() => undefined));
  const scope = await other.open<Counter>("user", "a");
  for (let n = 1; n < 4; n += 1) await scope.setState({ n });
  await one.erase({ type: "user", id: "a" });
  expect(await scope.read()).toEqual({});
  expect(scope.version).toBe(0);
});

it("an erasure of unknown outcome is no damage to the scopes of its key", async () => {
  const inner = memoryStore();
  const store: StateStore = {
    ...sharingStore(inner),
    erase: async (keys) => {
      await inner.erase?.(keys);
      throw new CommitUnknownError();
    },
  };
  const [one, other] = [createRuntime({ store }), createRuntime({ store })];
  onTestFinished(() => Promise.all([one.close(), other.close()]).then(() => undefined));
  const scopes = [await one.open<Counter>("user", "a"), await other.open<Counter>("user", "b")];
  for (const scope of scopes) await scope.setState({ n: 1 });
  for (const id of ["a", "b"])
    await expect(one.erase({ type: "user", id })).rejects.toMatchObject({ code: "COMMIT_UNKNOWN" });
  for (const scope of scopes) {
    expect(await scope.incState({ n: 2 })).toBe(true);
    expect([scope.state.n, scope.version]).toEqual([2, 1]);
  }
});

it("a record that was made again after an erasure is no damage to a scope that is busy", async () => {
  const store = memoryStore();
  const [one, other] = [createRuntime({ store }), createRuntime({ store })];
  onTestFinished(() => Promise.all([one.close(), other.close()]).then(() => undefined));
  const scope = await other.open<Counter>("user", "a");
  for (let n = 1; n < 4; n += 1) await scope.setState({ n });
  const [begun, goOn] = [gate(), gate()];
  const slow = scope.patchState("n", async (n = 0) => {
    begun.open();
    await goOn.promise;
    return n + 1;
  });
  await begun.promise;
  await one.erase({ type: "user", id: "a" });
  await (await one.open<Counter>("user", "a")).setState({ n: 50 });
  goOn.open();
  expect(await slow).toBe(true);
  expect([scope.state.n, scope.version]).toEqual([51, 2]);
});

it.each(["deleteAll", "erase"] as const)("%s reaches a scope that is being read", async (how) => {
  const inner = memoryStore();
  const shared = sharingStore(inner);
  const seed = createRuntime({ store: sharingStore(inner) });
  const [removing, removed, read] = [gate(), gate(), gate()];
  await (await seed.open<Counter>("user", "a")).setState({ n: 1 });
  let loads = 0;
  const store: StateStore = {
    ...shared,
    load: async (keys) => {
      const records = await inner.load(keys);
      loads += 1;
      read.open();
      if (loads === 1) await removed.promise.then(() => sleep(20));
      return records;
    },
    commit: async (writes) => {
      removing.open();
      await read.promise;
      return inner.commit(writes).finally(removed.open);
    },
    erase: async (keys) => (await inner.erase?.(keys).finally(removed.open)) ?? [],
  };
  const [one, other] = [createRuntime({ store }), createRuntime({ store })];
  const all = [seed, one, other];
  onTestFinished(() => Promise.all(all.map((each) => each.close())).then(() => undefined));
  const remove = (): Promise<unknown> =>
    how === "erase" ? one.erase({ type: "user", id: "a" }) : one.deleteAll({ type: "user" });
  if (how === "deleteAll") {
    void remove();
    await removing.promise;
  }
  const opened = (how === "erase" ? other : one).open<Counter>("user", "a");
  await read.promise;
  if (how === "erase") void remove();
  const scope = await opened;
  await vi.waitFor(() => expect(scope.state).toEqual({}), 20_000);
});

it("nothing is damage when it can have been deleted unheard, or was reported as erased", () => {
  const clock = simulatedClock(0);
  const seen = new LastSeen(clock);
  expect(seen.isDamage(0)).toBe(false);
  seen.saw(5, 1_000);
  expect([0, 4, 5, 6].map((version) => seen.isDamage(version))).toEqual([true, true, false, false]);
  clock.setTime(1_000);
  expect(seen.isDamage(0)).toBe(false);
  seen.saw(5, 1_000);
  expect(seen.reported(4)).toBe(false);
  expect(seen.isDamage(0)).toBe(true);
  expect(seen.reported(6)).toBe(true);
  expect([seen.isDamage(4), seen.isDamage(0), seen.isDamage(0)]).toEqual([true, false, false]);
  seen.saw(5, 1_000);
  expect(seen.isDamage(0)).toBe(true); // An erasure counts once.
  for (const version of [6, 1]) seen.reported(version);
  expect(seen.isDamage(1)).toBe(false);
});
