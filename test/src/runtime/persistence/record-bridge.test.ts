/** What a store gets of a scope's changes when it asks for patches, and when it does not. */
import { AsyncLocalStorage } from "node:async_hooks";
import { describe, expect, it } from "vitest";
import { createRuntime } from "../../../../src/runtime/runtime.ts";
import { memoryStore } from "../../../../src/stores/memory/store.ts";
import type { StateStore } from "../../../../src/stores/contract.ts";

/** A memory store that notes the patches of each write, if it `asks` for them. */
function asking(asks: () => boolean): { store: StateStore; seen: unknown[] } {
  const store = memoryStore();
  const seen: unknown[] = [];
  const commit = store.commit.bind(store);
  store.commit = (writes, options) => {
    for (const write of writes) if (asks()) seen.push(write.patches);
    return commit(writes, options);
  };
  return { store, seen };
}

describe("patches of a write", () => {
  it("are there at the first time of asking, and every time after it", async () => {
    let asks = false;
    const { store, seen } = asking(() => asks);
    await using runtime = createRuntime({ store });
    const scope = await runtime.open<{ n: number; list: number[] }>("user", "u");
    await scope.setState({ n: 0, list: [1] });
    asks = true;
    await Promise.all([
      scope.incState({ n: 1 }),
      scope.incState({ n: 1 }),
      scope.pushState("list", 2),
    ]);
    await Promise.all([scope.incState({ n: 1 }), scope.incState({ n: 1 })]);
    expect(seen).toEqual([
      [
        { op: "replace", path: ["n"], value: 2 },
        { op: "add", path: ["list", 1], value: 2 },
      ],
      [
        { op: "replace", path: ["n"], value: 3 },
        { op: "replace", path: ["n"], value: 4 },
      ],
    ]);
  });

  it("are all of its changes, though a listener came between them", async () => {
    let asks = false;
    const { store, seen } = asking(() => asks);
    await using runtime = createRuntime({ store });
    const scope = await runtime.open<{ n: number; m?: number }>("user", "u");
    await scope.setState({ n: 0 });
    asks = true;
    const first = scope.incState({ n: 1 });
    scope.subscribe(() => undefined);
    await Promise.all([first, scope.patchState({ m: 7 })]);
    expect(seen).toEqual([
      [
        { op: "replace", path: ["n"], value: 1 },
        { op: "add", path: ["m"], value: 7 },
      ],
    ]);
  });
});

describe("the saves of a store that waits for the turn of the loop", () => {
  /** A memory store that is not immediate; `sizes` are the writes of each commit. */
  function waiting(): { store: StateStore; commits: number[][] } {
    const inner = memoryStore();
    const commits: number[][] = [];
    const store = Object.assign(inner, { supports: { ...inner.supports, immediate: false } });
    const commit = inner.commit.bind(inner);
    store.commit = (writes, options) => {
      commits.push(writes.map(({ version, expectedVersion }) => version - expectedVersion));
      return commit(writes, options);
    };
    return { store, commits };
  }

  it("have the calls of the whole turn, of each scope in one write", async () => {
    const { store, commits } = waiting();
    await using runtime = createRuntime({ store });
    const [one, two] = [await runtime.open("user", "1"), await runtime.open("user", "2")];
    const calls = [one.incState({ n: 1 })];
    await Promise.resolve();
    calls.push(two.incState({ n: 1 }), one.incState({ n: 1 }));
    for (let hop = 0; hop < 10; hop += 1) await Promise.resolve();
    calls.push(one.incState({ n: 1 }));
    expect(await Promise.all(calls)).toEqual([true, true, true, true]);
    expect([one.state, two.state, commits]).toEqual([{ n: 3 }, { n: 1 }, [[3, 1]]]);
  });

  it("contain nothing of a call that was cancelled in that turn", async () => {
    const { store, commits } = waiting();
    await using runtime = createRuntime({ store });
    const scope = await runtime.open("user", "1");
    const cancelling = new AbortController();
    const cancelled = scope.incState({ n: 10 }, { signal: cancelling.signal });
    const kept = scope.incState({ n: 1 });
    for (let hop = 0; hop < 10; hop += 1) await Promise.resolve();
    const reason = new Error("not wanted");
    cancelling.abort(reason);
    await expect(cancelled).rejects.toBe(reason);
    expect([await kept, scope.state, scope.version]).toEqual([true, { n: 1 }, 1]);
    expect(commits).toEqual([[1]]);
  });

  it("are announced in the async context of the calls of each scope", async () => {
    const { store } = waiting();
    await using runtime = createRuntime({ store });
    const callers = new AsyncLocalStorage<string>();
    const seen: Record<string, unknown> = {};
    const calls = ["1", "2"].map((id) =>
      callers.run(id, async () => {
        const scope = await runtime.open("user", id);
        scope.subscribe(() => void (seen[id] = callers.getStore()));
        await scope.incState({ n: 1 });
      }),
    );
    await Promise.all(calls);
    expect(seen).toEqual({ 1: "1", 2: "2" });
  });

  it("fail one by one when the state that each finds is damaged", async () => {
    const { store } = waiting();
    await using runtime = createRuntime({ store, logger: { warn() {}, error() {} } });
    const [bad, good] = [await runtime.open("user", "1"), await runtime.open("user", "2")];
    const key = "holdfast/user/1";
    const [result] = await store.commit([
      { key, expectedVersion: 0, version: 1, state: { $holdfast: "unknown" } },
    ]);
    expect(result?.ok).toBe(true);
    const ends = await Promise.allSettled([bad.incState({ n: 1 }), good.incState({ n: 1 })]);
    expect(ends.map(({ status }) => status)).toEqual(["rejected", "fulfilled"]);
    expect(good.state).toEqual({ n: 1 });
  });
});
