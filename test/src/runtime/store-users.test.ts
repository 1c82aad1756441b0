/** Who closes a store that several runtimes use. */
import { createRuntime, defineKind, memoryStore, type StateStore } from "holdfast";
import { describe, expect, it } from "vitest";

/** A store that counts how often it was closed. */
function counting(): StateStore & { closed: number } {
  const store = memoryStore();
  const close = store.close.bind(store);
  return Object.assign(store, {
    closed: 0,
    close(this: { closed: number }) {
      this.closed += 1;
      return close();
    },
  });
}

describe("a store object of several runtimes", () => {
  it("is closed by the last of them, and the others go on till then", async () => {
    const store = counting();
    const [one, two] = [createRuntime({ store }), createRuntime({ store, namespace: "two" })];
    const scope = await two.open("user", "u");
    await one.close();
    await one.close();
    expect(store.closed).toBe(0);
    expect(await scope.patchState({ n: 1 })).toBe(true);
    await two.close();
    expect(store.closed).toBe(1);
  });

  it("is closed once when all close together", async () => {
    const store = counting();
    const runtimes = Array.from({ length: 4 }, () => createRuntime({ store }));
    await Promise.all(runtimes.map((runtime) => runtime.close()));
    expect(store.closed).toBe(1);
  });

  it("is not closed for a kind that a closed runtime declared", async () => {
    const store = counting();
    const open = createRuntime({ store });
    const closed = createRuntime();
    await closed.close();
    closed.declare("late", defineKind({ store }));
    await closed.close();
    const closing = createRuntime();
    const ended = closing.close();
    closing.declare("late", defineKind({ store }));
    await ended;
    expect(store.closed).toBe(0);
    await open.close();
    expect(store.closed).toBe(1);
  });

  it("counts as a kind's own, and when it is declared later", async () => {
    const [shared, own] = [counting(), counting()];
    const kinds = { far: defineKind({ store: shared }), here: defineKind({ store: shared }) };
    const [one, two] = [createRuntime({ kinds }), createRuntime({ store: own })];
    two.declare("far", defineKind({ store: shared }));
    await one.close();
    expect([shared.closed, own.closed]).toEqual([0, 0]);
    await two.close();
    expect([shared.closed, own.closed]).toEqual([1, 1]);
  });

  it("is not used by a runtime that could not be made", async () => {
    const store = counting();
    expect(() => createRuntime({ store, maxResidentScopes: Number.NaN })).toThrow(RangeError);
    const kinds = { bad: { durability: "volatile", store: {} } } as never;
    expect(() => createRuntime({ store, kinds })).toThrow(TypeError);
    await createRuntime({ store }).close();
    expect(store.closed).toBe(1);
  });

  it("is left by a runtime that could not write everything down", async () => {
    const store = counting();
    const kinds = { draft: defineKind({ durability: "checkpoint" }) };
    const [one, two] = [createRuntime({ store, kinds }), createRuntime({ store })];
    const scope = await one.open("draft", "s");
    const commit = store.commit.bind(store);
    store.commit = () => Promise.reject(new Error("down"));
    await scope.patchState({ n: 1 });
    await expect(one.close()).rejects.toThrow("down");
    store.commit = commit;
    expect(await (await two.open("user", "u")).patchState({ n: 1 })).toBe(true);
    await two.close();
    expect(store.closed).toBe(1);
  });
});
