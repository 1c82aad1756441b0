/** What a store gets of a scope's changes when it asks for patches, and when it does not. */
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
