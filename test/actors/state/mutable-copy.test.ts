import { describe, expect, it } from "vitest";
import { runInNewContext } from "node:vm";
import { copyIn } from "../../../actors/state/copy.ts";
import { mutableCopy } from "../../../actors/state/mutable-copy.ts";

const value = {
  list: [{ n: 1 }, [2]],
  map: new Map([["a", { at: new Date(5) }]]),
  set: new Set([1, 2]),
  bytes: new Uint8Array([1, 2, 3]),
  at: new Date(7),
  absent: undefined,
  nothing: null,
};

describe("mutableCopy", () => {
  it("copies a frozen state so that all of it can be changed", () => {
    const state = copyIn(value, "");
    const copy = mutableCopy(state);
    expect(copy).toEqual(value);
    copy.list.push({ n: 3 });
    copy.map.get("a")?.at.setTime(9);
    copy.map.set("b", { at: new Date(1) });
    copy.set.delete(1);
    copy.bytes[0] = 9;
    copy.at.setTime(1);
    expect(state).toEqual(value);
    expect(copy.map.get("a")).toEqual({ at: new Date(9) });
  });

  it("keeps own fields of every name, and what is no part of a state", () => {
    const odd = JSON.parse('{ "__proto__": { "a": [1] } }') as object;
    const copy = mutableCopy(odd);
    expect(Object.keys(copy)).toEqual(["__proto__"]);
    expect(JSON.stringify(copy)).toBe(JSON.stringify(odd));
    const url = new URL("https://example.org");
    expect(mutableCopy({ url }).url).toBe(url);
    expect(mutableCopy("text")).toBe("text");
  });

  it("makes a Buffer bytes, and values of another realm its own", () => {
    const copy = mutableCopy({ bytes: Buffer.from("a") });
    expect(Object.getPrototypeOf(copy.bytes)).toBe(Uint8Array.prototype);
    const other = mutableCopy(runInNewContext("({ list: [new Date(3)] })") as { list: Date[] });
    expect(other).toEqual({ list: [new Date(3)] });
    expect(other.list[0]).toBeInstanceOf(Date);
  });

  it("refuses a cycle", () => {
    const cycle: Record<string, unknown> = {};
    cycle["self"] = cycle;
    expect(() => mutableCopy(cycle)).toThrow(RangeError);
  });
});
