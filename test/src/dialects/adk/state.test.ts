/** `State` by its methods and as a record. */
import { inspect } from "node:util";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { State, StatePrefix } from "../../../../src/adk.ts";

describe("State", () => {
  it("reads its delta before its value, and writes to both of the objects it was given", () => {
    const [value, delta] = [
      { a: 1, b: 1 },
      { b: 2, c: 3 },
    ];
    const state = new State(value, delta);
    expect([state.get("a"), state.get("b"), state.get("c"), state.get("d", 4)]).toEqual([
      1, 2, 3, 4,
    ]);
    state.set("e", 5);
    state.update({ a: 6, f: null });
    expect(value).toEqual({ a: 6, b: 1, e: 5, f: null });
    expect(delta).toEqual({ a: 6, b: 2, c: 3, e: 5, f: null });
    expect([state.get("f", 1), state.has("f"), state.hasDelta()]).toEqual([null, true, true]);
  });

  it("deletes, and says whether there was anything", () => {
    const delta = {};
    const state = new State({ a: 1, b: 2 }, delta);
    expect([state.delete("a"), state.delete("a"), state.delete("x")]).toEqual([true, false, false]);
    state.set("b", undefined);
    expect([state.has("a"), state.get("b", "none"), state.getAll()]).toEqual([false, "none", {}]);
    expect(delta).toStrictEqual({ a: undefined, b: undefined });
    state.set("a", 3);
    expect([state.getAll(), delta]).toEqual([{ a: 3 }, { a: 3, b: undefined }]);
  });

  it("leaves no delta for an equal value, except for an object that may have changed in place", () => {
    const state = new State({ a: 1, list: [1] });
    state.set("a", 1);
    state.update({ list: [1] });
    expect(state.hasDelta()).toBe(false);
    const list = state.get<number[]>("list");
    list?.push(2);
    state.set("list", list);
    expect(state.hasDelta()).toBe(true);
  });

  it("behaves as the flat record", () => {
    const state = new State({ a: 1 });
    state.set("b", { c: [2] });
    state["d"] = 3;
    const flat = { a: 1, b: { c: [2] }, d: 3 };
    expect(state).toBeInstanceOf(State);
    expect([Object.assign({}, state), Object.keys(state), "a" in state, "get" in state]).toEqual([
      flat,
      ["a", "b", "d"],
      true,
      false,
    ]);
    expect([JSON.stringify(state), inspect(state)]).toEqual([JSON.stringify(flat), inspect(flat)]);
    expect([state["a"], state["zz"], Object.hasOwn(state, "b")]).toEqual([1, undefined, true]);
    delete state["a"];
    expect(state.has("a")).toBe(false);
    expect(() => Object.freeze(state)).toThrow(TypeError);
  });

  it("keeps plain property writes out of the delta", () => {
    const delta = {};
    const state = new State({}, delta);
    state.set("a", 1);
    state["a"] = 2;
    state["b"] = 3;
    expect([state.get("a"), state.get("b"), delta]).toEqual([2, 3, { a: 1 }]);
    state.set("b", 3);
    expect(delta).toEqual({ a: 1, b: 3 });
  });

  it("takes names of methods and of prototypes as keys", () => {
    const state = new State();
    const names = ["get", "set", "has", "delete", "getAll", "toJSON", "constructor", "__proto__"];
    for (const name of names) {
      expect([state.has(name), state.get(name)]).toEqual([false, undefined]);
      state.set(name, { name });
    }
    for (const name of names) expect(state.get(name)).toEqual({ name });
    expect(Object.keys(state)).toEqual(names);
    expect(Object.keys(state.getAll())).toEqual(names);
    expect(Object.keys(JSON.parse(JSON.stringify(state)))).toEqual(names);
    expect(Object.getPrototypeOf(state)).toBe(State.prototype);
    for (const name of names) expect(state.delete(name)).toBe(true);
    expect(state.getAll()).toEqual({});
  });

  it("gives detached snapshots and refuses what is no key or no record", () => {
    const state = new State({ a: { b: 1 } });
    Object.assign(Object(state.toRecord()["a"]), { b: 2 });
    expect(state.get("a")).toEqual({ b: 1 });
    expect(() => state.set(1 as never, 2)).toThrow(expect.objectContaining({ code: "STATE_TYPE" }));
    for (const bad of [null, [1], "x", new Map()])
      expect(() => state.update(bad as never)).toThrow(
        expect.objectContaining({ code: "STATE_TYPE" }),
      );
    expect(state.hasDelta()).toBe(false);
  });

  it("has the prefixes", () => {
    expect([State.APP_PREFIX, State.USER_PREFIX, State.TEMP_PREFIX]).toEqual(
      Object.values(StatePrefix),
    );
  });

  it("agrees with a map, whatever is done", () => {
    const key = fc.constantFrom("a", "get", "__proto__", "user:x");
    const step = fc.oneof(
      fc.record({ do: fc.constant("set"), key, value: fc.oneof(fc.integer(), fc.constant(null)) }),
      fc.record({ do: fc.constant("delete"), key, value: fc.constant(null) }),
    );
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const state = new State();
        const map = new Map<string, unknown>();
        for (const { do: what, key: name, value } of steps) {
          if (what === "set") {
            state.set(name, value);
            map.set(name, value);
          } else if (state.delete(name) !== map.delete(name)) return false;
        }
        expect(new Map(Object.entries(state.getAll()))).toEqual(map);
        for (const [name, value] of map) if (state.get(name) !== value) return false;
        return true;
      }),
    );
  });
});
