/** Containers: read, getVersion, commit, and commits of outsiders. */
import { beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import {
  createScopeStateOps,
  createStateContainer,
  ReentrantMutationError,
  runWithCAS,
  StateSerializationError,
  StateTypeError,
  StateValidationError,
  type StateChange,
  type StateSizeWarning,
} from "../../../../src/flow-state.ts";
import { CasStore, crank, settle } from "./cas-store.ts";

describe("a container", () => {
  it("commits state and version unconditionally", () => {
    const container = createStateContainer({ count: 1 }, 0);
    expect(container.commit({ count: 2 }, 1)).toEqual({ count: 2 });
    expect(container.getVersion()).toBe(1);
    expect(container.commit({ count: 99 }, 5)).toEqual({ count: 99 });
    expect(container.commit({ count: 3 }, 2)).toEqual({ count: 3 });
    expect([container.read(), container.getVersion()]).toEqual([{ count: 3 }, 2]);
  });

  it("starts at version 0, or where it is told; a negative version counts as 0", () => {
    expect(createStateContainer({}).getVersion()).toBe(0);
    expect(createStateContainer({}, 7).getVersion()).toBe(7);
    const container = createStateContainer({ n: 1 }, -3);
    expect(container.getVersion()).toBe(0);
    container.commit({ n: 2 }, -1);
    expect(container.getVersion()).toBe(0);
  });

  it("copies what goes in and freezes what comes out", () => {
    const given = { list: [1] };
    const container = createStateContainer(given);
    given.list.push(2);
    const next = { list: [3] };
    const read = container.read();
    expect(read).toEqual({ list: [1] });
    expect(() => read.list.push(4)).toThrow(TypeError);
    container.commit(next, 1);
    next.list.push(5);
    expect(container.read()).toEqual({ list: [3] });
  });

  it("refuses what is no state or no version", () => {
    const none = null as unknown as object;
    expect(() => createStateContainer(none)).toThrow(StateTypeError);
    expect(() => createStateContainer({ f: () => 1 })).toThrow(StateSerializationError);
    expect(() => createStateContainer({}, Number.NaN)).toThrow(RangeError);
    const container = createStateContainer({ n: 0 }, 1);
    expect(() => container.commit(none as { n: number }, 2)).toThrow(StateTypeError);
    expect(() => container.commit({ n: 1 }, Number.NaN)).toThrow(RangeError);
    expect([container.read(), container.getVersion()]).toEqual([{ n: 0 }, 1]);
  });

  it("checks what the ops write when it is given a schema", async () => {
    const schema = z.object({ n: z.number(), tag: z.string().default("none") });
    const container = createStateContainer({ n: 0, tag: "a" }, 0, { schema });
    const ops = createScopeStateOps(container);
    const wrong = { n: "x" } as unknown as { n: number };
    await expect(ops.patchState(wrong)).rejects.toThrow(StateValidationError);
    await ops.setState({ n: 1 } as { n: number; tag: string });
    expect(container.read()).toEqual({ n: 1, tag: "none" });
  });

  it("tells a large state once per change, in bytes of the new state", async () => {
    const sizes: number[] = [];
    const container = createStateContainer({ text: "" }, 0, {
      onStateSizeWarning: ({ sizeBytes }) => sizes.push(sizeBytes),
    });
    const { persist } = new CasStore({ text: "" });
    for (const ops of [createScopeStateOps(container), createScopeStateOps(container, { persist })])
      await ops.patchState({ text: "é".repeat(6_000) + String(sizes.length) });
    expect(sizes).toEqual([12_012, 12_012]);
  });
});

describe("the size options where the first generations took them", () => {
  const large = { text: "é".repeat(20) };
  const warnings: StateSizeWarning[] = [];
  const options = {
    maxStateSizeBytes: 20,
    onStateSizeWarning: (warning: StateSizeWarning) => void warnings.push(warning),
  };
  beforeEach(() => void warnings.splice(0));

  it.each([
    ["the lock path", undefined],
    ["the CAS path", new CasStore({ text: "" }).persist],
  ])("count for what the ops change on %s", async (_path, persist) => {
    const container = createStateContainer({ text: "" });
    const ops = createScopeStateOps(container, { persist, ...options });
    const without = createScopeStateOps(container, { persist });
    await ops.patchState({ text: "short" });
    expect(warnings).toEqual([]);
    await ops.patchState(large);
    const scope = { type: "container" };
    expect(warnings).toMatchObject([{ scope, sizeBytes: 51, maxStateSizeBytes: 20 }]);
    await ops.patchState(large); // Nothing changes.
    await without.patchState({ text: "x".repeat(30) });
    expect(warnings).toHaveLength(1);
  });

  it("count for what runWithCAS saves", async () => {
    const container = createStateContainer({ text: "" });
    const { persist } = new CasStore({ text: "" });
    await runWithCAS({ container, mutator: () => large, persist, ...options });
    await runWithCAS({ container, mutator: () => large, persist, ...options });
    expect(warnings.map(({ sizeBytes }) => sizeBytes)).toEqual([51]);
  });

  it("harm no change when the hook throws, and refuse NaN", async () => {
    const logged: string[] = [];
    const logger = { warn: () => {}, error: (message: string) => void logged.push(message) };
    const container = createStateContainer({ text: "" }, 0, { logger });
    const onStateSizeWarning = () => {
      throw new Error("mine");
    };
    const ops = createScopeStateOps(container, { ...options, onStateSizeWarning });
    expect(await ops.patchState(large)).toBe(true);
    expect(logged).toEqual(["onStateSizeWarning threw"]);
    const bad = { maxStateSizeBytes: Number.NaN };
    expect(() => createScopeStateOps(container, bad)).toThrow(RangeError);
  });
});

describe("an outsider's commit", () => {
  it("is what the next op starts from", async () => {
    const container = createStateContainer({ n: 0 });
    container.commit({ n: 5 }, 7);
    await createScopeStateOps(container).incState({ n: 1 });
    expect([container.read(), container.getVersion()]).toEqual([{ n: 6 }, 8]);
  });

  it.each(["the lock path", "the CAS path"])(
    "while a mutator runs makes it run again: %s",
    async (path) => {
      const container = createStateContainer({ n: 0, other: 0 });
      const store = new CasStore({ n: 0, other: 0 }, 3);
      const ops = createScopeStateOps(
        container,
        path === "the CAS path" ? { persist: store.persist } : {},
      );
      const gate = crank();
      const seen: number[] = [];
      const running = ops.atomicState(async ({ n }) => {
        seen.push(n);
        await gate.promise;
        return { n: n + 1 };
      });
      await settle();
      container.commit({ n: 10, other: 1 }, 3);
      gate.resolve();
      expect(await running).toBe(true);
      expect(seen).toEqual([0, 10]);
      expect([container.read(), container.getVersion()]).toEqual([{ n: 11, other: 1 }, 4]);
    },
  );

  it("while a save is on the way stays when it is newer than the answer", async () => {
    const container = createStateContainer({ n: 0 });
    const store = new CasStore({ n: 0 });
    const slow = crank();
    store.delay = () => slow.promise;
    const saving = createScopeStateOps(container, { persist: store.persist }).incState({ n: 1 });
    await settle();
    container.commit({ n: 50 }, 6);
    slow.resolve();
    expect(await saving).toBe(true);
    expect([container.read(), container.getVersion()]).toEqual([{ n: 50 }, 6]);
  });

  it("is told to listeners as a refresh", () => {
    const container = createStateContainer({ n: 0 });
    const events: StateChange[] = [];
    const stop = container.subscribe((change) => events.push(change));
    container.commit({ n: 1 }, 4);
    stop();
    container.commit({ n: 2 }, 5);
    expect(events).toMatchObject([{ operation: "refresh", origin: "remote", version: 4 }]);
  });

  it("from inside a mutator is refused", async () => {
    const container = createStateContainer({ n: 0 });
    const running = createScopeStateOps(container).atomicState(() => {
      container.commit({ n: 5 }, 5);
      return { n: 1 };
    });
    await expect(running).rejects.toThrow(ReentrantMutationError);
    expect(container.getVersion()).toBe(0);
  });
});
