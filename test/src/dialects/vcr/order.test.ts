/** Updates, and the order of calls, on every place keys can be kept. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { VcrStateError } from "../../../../src/dialects/vcr/error.ts";
import { State } from "../../../../src/dialects/vcr/state.ts";
import { places, type Opened } from "./kept.ts";

/** The code of a failing call; fails itself when the call does not. */
async function code(call: Promise<unknown>): Promise<string> {
  try {
    await call;
  } catch (error) {
    expect(error).toBeInstanceOf(VcrStateError);
    return (error as VcrStateError).code;
  }
  throw new Error("the call was expected to fail");
}

describe.each(places())("State on $name", ({ open }) => {
  let opened: Opened;
  let state: State;

  beforeEach(async () => {
    opened = await open();
    state = new State(opened.vcr.getSessionById("conv-1"));
  });
  afterEach(() => opened.close());

  describe("update", () => {
    it("changes in place, by returning, and later", async () => {
      expect(await state.update<number[]>("k", () => [1])).toEqual([1]);
      await state.update<number[]>("k", (list) => void list?.push(2));
      expect(
        await state.update<number[]>("k", async (list = []) => {
          await Promise.resolve();
          return [...list, 3];
        }),
      ).toEqual([1, 2, 3]);
      expect(await state.get("k")).toEqual([1, 2, 3]);
      expect(await state.update("none", () => undefined)).toBeUndefined();
      expect(await state.exists("none")).toBe(false);
      expect(await state.update("k", () => null)).toBeNull();
    });

    it("loses none of a hundred at once", async () => {
      const add = (n = 0): number => n + 1;
      await Promise.all(Array.from({ length: 100 }, () => state.update<number>("k", add)));
      expect(await state.get("k")).toBe(100);
    });

    it("changes nothing when its recipe throws, and passes its error on", async () => {
      await state.set("k", { n: 1 });
      const broken = state.update<{ n: number }>("k", (value) => {
        if (value !== undefined) value.n = 2;
        throw new RangeError("mine");
      });
      await expect(broken).rejects.toThrow(new RangeError("mine"));
      expect(await code(state.update("k", () => Number.NaN))).toBe("NOT_SERIALIZABLE");
      expect(await state.get("k")).toEqual({ n: 1 });
    });

    it("refuses to wait for the key it works on, and gives up in time", async () => {
      const nested = state.update("k", async () => state.update("k", () => 1));
      expect(await code(nested)).toBe("REENTRANT_MUTATION");
      const never = state.update("k", () => new Promise<number>(() => undefined), {
        timeoutMs: 20,
      });
      const after = state.set("k", "after");
      expect(await code(never)).toBe("SCOPE_MUTATION_TIMEOUT");
      await after;
      expect(await state.get("k")).toBe("after");
    });
  });

  it("keeps calls on a key in order, awaited or not", async () => {
    const answers = await Promise.all([
      state.set("k", 1),
      state.increment("k", 1),
      state.update<number>("k", async (n = 0) => n * 10),
      state.get("k"),
      state.increment("k", 1),
      state.delete("k"),
      state.get("k"),
      state.listAppend("k", "x"),
      state.listRange("k"),
    ]);
    expect(answers).toEqual(["OK", "2", 20, 20, "21", "1", null, "1", ["x"]]);
  });

  it("sees every write called for before in keys", async () => {
    void state.set("a", 1);
    void state.mapSet("b", { x: "1" });
    void state.set("c", 1);
    void state.delete("c");
    expect(await state.keys()).toEqual(["a", "b"]);
  });
});
