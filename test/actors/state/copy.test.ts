import vm from "node:vm";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { equal } from "../../../actors/state/equal.ts";
import { StateSerializationError } from "../../../actors/errors.ts";
import {
  copyIn,
  freezeShallow,
  isPlainObject,
  MAX_DEPTH,
  MAX_NODES,
  typeName,
} from "../../../actors/state/copy.ts";
import { propertyRuns, stateValues } from "../../support/state-value.ts";

class Point {
  x = 1;
}

/** Every object below and including `value`. */
function nodesOf(value: unknown): object[] {
  if (typeof value !== "object" || value === null) return [];
  if (value instanceof Map) return [value, ...[...value].flat().flatMap(nodesOf)];
  if (value instanceof Set) return [value, ...[...value].flatMap(nodesOf)];
  if (value instanceof Uint8Array) return [value];
  return [value, ...Object.values(value).flatMap(nodesOf)];
}

function nest(levels: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < levels; level++) value = level % 2 === 0 ? { a: value } : [value];
  return value;
}

function refusal(value: unknown, path = "state", depth = 0): StateSerializationError {
  try {
    copyIn(value, path, { depth, scope: { type: "user", id: "u1" } });
  } catch (error) {
    if (error instanceof StateSerializationError) return error;
    throw error;
  }
  throw new Error("the value was accepted");
}

describe("copyIn", () => {
  it("gives an equal copy that shares nothing and is frozen", () => {
    fc.assert(
      fc.property(stateValues, (value) => {
        const copy = copyIn(value, "");
        expect(equal(copy, value)).toBe(true);
        const sources = new Set(nodesOf(value));
        for (const node of nodesOf(copy)) {
          expect(sources.has(node)).toBe(false);
          const open = node instanceof Date || node instanceof Uint8Array;
          expect(Object.isFrozen(node) || open).toBe(true);
        }
      }),
      { numRuns: propertyRuns },
    );
  });

  it("accepts its own result", () => {
    fc.assert(
      fc.property(stateValues, (value) => {
        const once = copyIn(value, "");
        expect(equal(copyIn(once, ""), once)).toBe(true);
      }),
      { numRuns: propertyRuns },
    );
  });

  it("keeps undefined keys, signed zeros and the order of keys", () => {
    const copy = copyIn({ b: undefined, a: -0, c: Number.NaN }, "");
    expect(Object.keys(copy)).toEqual(["b", "a", "c"]);
    expect(Object.is(copy.a, -0)).toBe(true);
    expect(copy.c).toBeNaN();
  });

  it("makes holes undefined and null prototypes ordinary", () => {
    // oxlint-disable-next-line no-sparse-arrays
    const holes = copyIn([1, , 3], "");
    expect(Object.keys(holes)).toEqual(["0", "1", "2"]);
    const bare = copyIn(Object.assign(Object.create(null) as object, { a: 1 }), "");
    expect(Object.getPrototypeOf(bare)).toBe(Object.prototype);
  });

  it("takes values of another realm as ordinary ones", () => {
    const source =
      "({ list: [1], map: new Map([['a', new Date(5)]]), set: new Set([1]), bytes: new Uint8Array([1]) })";
    const copy = copyIn<Record<string, unknown>>(vm.runInNewContext(source), "");
    expect(Object.getPrototypeOf(copy)).toBe(Object.prototype);
    expect(copy["list"]).toBeInstanceOf(Array);
    expect(copy["map"]).toBeInstanceOf(Map);
    expect(copy["set"]).toBeInstanceOf(Set);
    expect(copy["bytes"]).toBeInstanceOf(Uint8Array);
  });

  it("reads a Buffer as bytes of its own", () => {
    const buffer = Buffer.from("abc");
    const copy = copyIn<Uint8Array>(buffer, "");
    buffer.fill(0);
    expect(Object.getPrototypeOf(copy)).toBe(Uint8Array.prototype);
    expect([...copy]).toEqual([97, 98, 99]);
  });

  it("closes maps and sets", () => {
    const copy = copyIn({ map: new Map([["a", 1]]), set: new Set([1]) }, "");
    expect(() => copy.map.set("b", 2)).toThrow(TypeError);
    expect(() => copy.map.delete("a")).toThrow(TypeError);
    expect(() => copy.map.clear()).toThrow(TypeError);
    expect(() => copy.set.add(2)).toThrow(TypeError);
    expect(() => copy.set.delete(1)).toThrow(TypeError);
    expect([...copy.map, ...copy.set]).toEqual([["a", 1], 1]);
  });

  it("keeps __proto__ an own key, in narrow and wide records", () => {
    for (const width of [0, 500]) {
      const source = JSON.parse('{"__proto__": {"polluted": true}}') as Record<string, unknown>;
      for (let index = 0; index < width; index++) source[`k${index}`] = index;
      const copy = copyIn(source, "");
      expect(Object.hasOwn(copy, "__proto__")).toBe(true);
      expect(Object.getPrototypeOf(copy)).toBe(Object.prototype);
      expect(Object.keys(copy)).toHaveLength(width + 1);
      expect(Object.isFrozen(Reflect.get(copy, "__proto__"))).toBe(true);
      expect("polluted" in copy).toBe(false);
    }
  });

  it("lets objects be shared, but not refer to themselves", () => {
    const shared = { a: 1 };
    expect(copyIn({ x: shared, y: [shared, shared] }, "")).toEqual({
      x: { a: 1 },
      y: [{ a: 1 }, { a: 1 }],
    });
    const loop: { list: unknown[] } = { list: [] };
    loop.list.push(1, loop);
    expect(refusal(loop).path).toBe("state.list[1]");
    const map = new Map<string, unknown>();
    map.set("me", map);
    expect(refusal(map).path).toBe("state.me");
  });

  it("counts nesting from the root", () => {
    expect(() => copyIn(nest(MAX_DEPTH), "")).not.toThrow();
    expect(refusal(nest(MAX_DEPTH + 1)).message).toContain("64 levels");
    expect(() => copyIn(nest(MAX_DEPTH - 1), "a", { depth: 1 })).not.toThrow();
    expect(refusal(nest(MAX_DEPTH), "a", 1)).toBeInstanceOf(StateSerializationError);
    expect(refusal(nest(100_000))).toBeInstanceOf(StateSerializationError);
  });

  it("ends what unfolds without end", () => {
    const sparse: unknown[] = [];
    sparse.length = MAX_NODES + 1;
    expect(refusal({ sparse }).path).toBe("state.sparse");
  });

  it.each([
    ["function", { a: { b: [0, () => 1] } }, "state.a.b[1]"],
    ["symbol", { a: Symbol("s") }, "state.a"],
    ["class instance", { a: [new Point()] }, "state.a[0]"],
    ["regular expression", { a: /a/u }, "state.a"],
    ["other typed array", { a: new Float64Array(1) }, "state.a"],
    ["array buffer", { a: new ArrayBuffer(1) }, "state.a"],
    ["boxed number", { a: Object(1) as unknown }, "state.a"],
    ["boxed text", { a: Object("x") as unknown }, "state.a"],
    ["weak map", { a: new WeakMap() }, "state.a"],
    ["promise", { a: Promise.resolve(1) }, "state.a"],
    ["error", { a: new Error("x") }, "state.a"],
    ["extended map", { a: new (class extends Map {})() }, "state.a"],
    ["extended array", { a: new (class extends Array {})() }, "state.a"],
    ["symbol key", { a: { [Symbol("k")]: 1 } }, "state.a"],
    ["array with a key", { a: Object.assign([1], { more: 1 }) }, "state.a"],
    ["array with an odd index", { a: Object.assign([1], { "01": 1 }) }, "state.a"],
    ["map with a key", { a: Object.assign(new Map(), { more: 1 }) }, "state.a"],
    ["date with a key", { a: Object.assign(new Date(), { more: 1 }) }, "state.a"],
    ["map entry", { a: new Map([["k", new Point()]]) }, "state.a.k"],
    ["map key", { a: new Map([[new Point(), 1]]) }, "state.a[0]"],
    ["set member", { a: new Set([1, new Point()]) }, "state.a[1]"],
    ["object below a class", { a: Object.create({}) as unknown }, "state.a"],
  ])("refuses a %s and says where", (_name, value, path) => {
    const error = refusal(value);
    expect(error.path).toBe(path);
    expect(error.scope).toEqual({ type: "user", id: "u1" });
  });

  it("names the field whose getter throws, and keeps the cause", () => {
    const cause = new Error("no");
    const source = {
      ok: 1,
      get bad(): number {
        throw cause;
      },
    };
    const error = refusal({ a: source });
    expect(error.path).toBe("state.a.bad");
    expect(error.cause).toBe(cause);
  });

  it("refuses a revoked proxy with the typed error", () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    expect(refusal({ a: [proxy] }).path).toBe("state.a[0]");
  });

  it("refuses a function at the top", () => {
    expect(refusal(() => 1, "a.b").path).toBe("a.b");
  });
});

describe("freezeShallow", () => {
  it("freezes one node, closes collections and leaves dates", () => {
    const inner = { a: 1 };
    expect(Object.isFrozen(freezeShallow({ inner }))).toBe(true);
    expect(Object.isFrozen(inner)).toBe(false);
    expect(() => freezeShallow(freezeShallow(new Set([1]))).add(2)).toThrow(TypeError);
    expect(freezeShallow(new Date(5)).getTime()).toBe(5);
    expect([...freezeShallow(new Uint8Array([1]))]).toEqual([1]);
  });
});

describe("typeName", () => {
  it.each([
    [null, "null"],
    [undefined, "undefined"],
    [[], "array"],
    [{}, "object"],
    [Object.create(null), "object"],
    ["", "string"],
    [1n, "bigint"],
    [new Map(), "Map"],
    [new Point(), "Point"],
    [{ constructor: Point }, "object"],
  ])("%o is %s", (value, name) => {
    expect(typeName(value)).toBe(name);
  });
});

describe("isPlainObject", () => {
  it("tells records from everything else", () => {
    expect([{}, Object.create(null)].every(isPlainObject)).toBe(true);
    expect([null, [], new Map(), new Point(), "x", Object.create({})].some(isPlainObject)).toBe(
      false,
    );
  });
});
