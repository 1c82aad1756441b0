/** States of the client: what is shared, frozen and refused. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { merged, type Operation, patched, shared } from "../../../src/client/frozen-json.ts";
import { isDeepFrozen } from "../../support/frozen.ts";
import { applyRfc6902 } from "../../support/rfc6902.ts";

/** A state, frozen. */
function state(value: unknown): unknown {
  return shared(structuredClone(value));
}

describe("a JSON Patch", () => {
  const before = { list: [{ n: 1 }, { n: 2 }], a: { b: { c: 1 } }, other: { x: [1] } };

  it.each<[Operation, unknown]>([
    [
      { op: "add", path: "/list/-", value: 3 },
      { ...before, list: [{ n: 1 }, { n: 2 }, 3] },
    ],
    [
      { op: "add", path: "/list/0", value: 3 },
      { ...before, list: [3, { n: 1 }, { n: 2 }] },
    ],
    [
      { op: "remove", path: "/list/0" },
      { ...before, list: [{ n: 2 }] },
    ],
    [
      { op: "replace", path: "/list/1/n", value: 5 },
      { ...before, list: [{ n: 1 }, { n: 5 }] },
    ],
    [
      { op: "add", path: "/a/x~1y~01", value: 5 },
      { ...before, a: { ...before.a, "x/y~1": 5 } },
    ],
    [{ op: "replace", path: "", value: { all: [] } }, { all: [] }],
  ])("%j leads to the next state", (operation, after) => {
    const start = state(before);
    const next = patched(start, [operation]);
    expect(next).toEqual(after);
    expect(isDeepFrozen(next)).toBe(true);
    expect(start).toEqual(before);
  });

  it("keeps what it does not name", () => {
    const start = state(before) as typeof before;
    const next = patched(start, [{ op: "replace", path: "/a/b/c", value: 2 }]) as typeof before;
    expect(next.list).toBe(start.list);
    expect(next.other).toBe(start.other);
    expect(next.a).not.toBe(start.a);
  });

  it.each<Operation>([
    { op: "replace", path: "/none", value: 1 },
    { op: "remove", path: "/none" },
    { op: "add", path: "/none/x", value: 1 },
    { op: "add", path: "/list/3", value: 1 },
    { op: "add", path: "/list/01", value: 1 },
    { op: "replace", path: "/list/-", value: 1 },
    { op: "remove", path: "/list/2" },
    { op: "add", path: "/a/b/c/d", value: 1 },
    { op: "replace", path: "/toString", value: 1 },
    { op: "test", path: "/a", value: 1 },
  ])("that does not fit throws: %j", (operation) => {
    expect(() => patched(state(before), [operation])).toThrow("does not fit");
  });

  it("takes __proto__ for an ordinary key", () => {
    const next = patched(state({}), [{ op: "add", path: "/__proto__", value: { x: 1 } }]);
    expect(JSON.stringify(next)).toBe('{"__proto__":{"x":1}}');
    expect(Object.getPrototypeOf(next)).toBe(Object.prototype);
  });

  it("does what another implementation does", () => {
    const key = fc.constantFrom("a", "b", "0", "1", "-", "~0");
    const operation = fc.record({
      op: fc.constantFrom("add" as const, "replace" as const, "remove" as const),
      path: fc.array(key, { maxLength: 3 }).map((keys) => keys.map((each) => `/${each}`).join("")),
      value: fc.jsonValue({ maxDepth: 1 }),
    });
    const root = fc.dictionary(key, fc.jsonValue({ maxDepth: 2 }));
    fc.assert(
      fc.property(root, fc.array(operation, { maxLength: 4 }), (start, operations) => {
        const outcomeOf = (apply: () => unknown): unknown => {
          try {
            return { value: apply() };
          } catch {
            return "does not fit";
          }
        };
        fc.pre(operations.every(({ op, path }) => op !== "remove" || path !== ""));
        const given = structuredClone(operations);
        const expected = outcomeOf(() => applyRfc6902(structuredClone(start), given));
        expect(outcomeOf(() => patched(state(start), structuredClone(operations)))).toEqual(
          expected,
        );
      }),
    );
  });
});

describe("a snapshot", () => {
  it("keeps the objects whose content is the same", () => {
    const before = state({ a: { x: 1 }, list: [{ n: 1 }, { n: 2 }] }) as Record<string, unknown>;
    expect(shared({ a: { x: 1 }, list: [{ n: 1 }, { n: 2 }] }, before)).toBe(before);
    const next = shared({ a: { x: 1 }, list: [{ n: 1 }, { n: 3 }] }, before);
    expect(next).toEqual({ a: { x: 1 }, list: [{ n: 1 }, { n: 3 }] });
    expect(Reflect.get(next as object, "a")).toBe(before["a"]);
    expect(isDeepFrozen(next)).toBe(true);
  });

  it("takes no list for an object, nor less for the same", () => {
    expect(shared([], state({}))).toEqual([]);
    expect(shared({}, state([]))).toEqual({});
    expect(shared({ a: 1 }, state({ a: 1, b: 2 }))).toEqual({ a: 1 });
    expect(shared(JSON.parse('{"__proto__":{}}'), state({ x: 1 }))).not.toHaveProperty("x");
  });
});

describe("a JSON Merge Patch", () => {
  it.each([
    [{ a: "b" }, { a: "c" }, { a: "c" }],
    [{ a: "b" }, { b: "c" }, { a: "b", b: "c" }],
    [{ a: "b" }, { a: null }, {}],
    [{ a: ["b"] }, { a: "c" }, { a: "c" }],
    [{ a: "c" }, { a: ["b"] }, { a: ["b"] }],
    [{ a: { b: "c" } }, { a: { b: "d", c: null } }, { a: { b: "d" } }],
    [{ a: [{ b: "c" }] }, { a: [1] }, { a: [1] }],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ])("on %j, %j leads to %j", (before, patch, after) => {
    const start = state(before);
    // Twice: an optimistic patch is applied again on each state that arrives.
    for (const next of [merged(start, patch), merged(start, patch)]) {
      expect(next).toEqual(after);
      expect(isDeepFrozen(next)).toBe(true);
    }
    expect(start).toEqual(before);
  });

  it("that changes nothing gives the same object", () => {
    const start = state({ a: { b: 1 }, list: [1] });
    expect(merged(start, { a: { b: 1 }, list: [1] })).toBe(start);
  });
});
