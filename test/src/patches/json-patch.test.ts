import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { difference } from "../../../actors/state/diff.ts";
import { equal } from "../../../actors/state/equal.ts";
import { copyIn } from "../../../actors/state/copy.ts";
import type { Patch } from "../../../actors/protocol.ts";
import { createScope } from "../../../src/runtime/scope.ts";
import { applyPatches } from "../../../src/patches/apply-patches.ts";
import { fromJsonPatch } from "../../../src/patches/from-json-patch.ts";
import { toJson } from "../../../src/patches/to-json.ts";
import { type JsonPatchOperation, toJsonPatch } from "../../../src/patches/to-json-patch.ts";
import { isDeepFrozen } from "../../support/frozen.ts";
import { applyRfc6902 } from "../../support/rfc6902.ts";
import { propertyRuns, states } from "../../support/state-value.ts";

/** The error of a call, by its code or its name. */
function failureOf(work: () => unknown): unknown {
  try {
    return work();
  } catch (error) {
    return Reflect.get(Object(error), "code") ?? Reflect.get(Object(error), "name");
  }
}

describe("applyPatches", () => {
  it("gives a frozen state that shares what is unchanged, and leaves the old one", () => {
    const state = copyIn({ a: { list: [1, 2] }, b: { n: 1 }, map: new Map([["k", { n: 1 }]]) }, "");
    const value = { deep: [1] };
    const next = applyPatches(state, [
      { op: "add", path: ["a", "list", 1], value },
      { op: "replace", path: ["map", "k", "n"], value: 2 },
    ]);
    expect(next.a).toEqual({ list: [1, { deep: [1] }, 2] });
    expect(next.map).toEqual(new Map([["k", { n: 2 }]]));
    expect([isDeepFrozen(next), next.b === state.b]).toEqual([true, true]);
    expect([state.a.list, Object.isFrozen(value)]).toEqual([[1, 2], false]);
    expect(applyPatches(state, [])).toBe(state);
  });

  it.each([
    [[{ op: "remove", path: ["b"] }], "STATE_TYPE"],
    [[{ op: "replace", path: ["b"], value: 1 }], "STATE_TYPE"],
    [[{ op: "add", path: ["list", 3], value: 1 }], "STATE_TYPE"],
    [[{ op: "add", path: ["list", 0], value: () => 1 }], "STATE_NOT_SERIALIZABLE"],
    [[{ op: "move", path: ["list"] }], "TypeError"],
    [[{ op: "add", path: "list" }], "TypeError"],
    [{ op: "add" }, "TypeError"],
  ])("refuses %j by %s", (patches, code) => {
    // Each of them is no list of patches that fit.
    const given = patches as unknown as Patch[];
    expect(failureOf(() => applyPatches({ list: [1] }, given))).toBe(code);
  });

  it("writes `__proto__` as an ordinary field", () => {
    const next = applyPatches({}, [{ op: "add", path: ["__proto__"], value: { polluted: true } }]);
    expect(Object.keys(next)).toEqual(["__proto__"]);
    expect(Reflect.get({}, "polluted")).toBeUndefined();
  });
});

describe("toJsonPatch", () => {
  it("leads from the JSON before to the JSON after, for any two states", () => {
    fc.assert(
      fc.property(states, states, (from, to) => {
        const before = copyIn(from, "");
        const { state: made, patches, inverse } = difference(before, to);
        // The members of sets and maps may be in another order than in the state that was made.
        const state = applyPatches(before, patches);
        expect(equal(state, made)).toBe(true);
        const there = applyRfc6902(toJson(before), toJsonPatch(patches, before));
        expect(equal(there, toJson(state))).toBe(true); // A field `constructor` misleads `expect`.
        const back = applyRfc6902(toJson(state), toJsonPatch(inverse, state));
        expect(equal(back, toJson(applyPatches(state, inverse)))).toBe(true);
        const operations = safe(before, patches);
        const again = applyPatches(toJson(before), fromJsonPatch(operations, toJson(before)));
        expect(equal(again, toJson(operations.length === 0 ? before : state))).toBe(true);
      }),
      { numRuns: propertyRuns },
    );
  });

  it("leads there for the patches that a scope announces", async () => {
    interface Chat {
      list: number[];
      nested: { [key: string]: number[] };
      n?: number | undefined;
    }
    const edits = fc.array(
      fc.tuple(fc.constantFrom("cut", "insert", "delete", "set", "unset", "all"), fc.nat(8)),
    );
    await fc.assert(
      fc.asyncProperty(edits, async (steps) => {
        const scope = createScope<Chat>({ initial: { list: [1, 2, 3, 4], nested: { a: [1] } } });
        let document = toJson(scope.state);
        let before = scope.state;
        scope.subscribe(({ patches }) => {
          document = toJson(applyRfc6902(document, toJsonPatch(patches, before)));
          before = scope.state;
        });
        for (const [edit, at] of steps)
          await scope.update((draft) => {
            if (edit === "cut") draft.list.length = Math.min(at, draft.list.length);
            else if (edit === "insert") draft.list.splice(at, 0, at, at + 1);
            else if (edit === "delete") draft.list.splice(at, 2);
            else if (edit === "set") draft.nested[`k/${at}~`] = [at];
            else if (edit === "unset") draft.n = at < 4 ? undefined : at;
            else for (const list of Object.values(draft.nested)) list.push(at);
          });
        expect(document).toEqual(toJson(scope.state));
      }),
      { numRuns: Math.min(propertyRuns, 500) },
    );
  });

  it("adds what was absent, removes what a length cuts off, and escapes keys", () => {
    const before = { gone: undefined, list: [1, 2, 3], "a/b~": 1 };
    const patches: Patch[] = [
      { op: "replace", path: ["gone"], value: 1 },
      { op: "replace", path: ["list", "length"], value: 1 },
      { op: "replace", path: ["a/b~"], value: undefined },
      { op: "replace", path: [], value: { when: new Date(0) } },
    ];
    expect(toJsonPatch(patches, before)).toEqual([
      { op: "add", path: "/gone", value: 1 },
      { op: "remove", path: "/list/2" },
      { op: "remove", path: "/list/1" },
      { op: "remove", path: "/a~1b~0" },
      { op: "replace", path: "", value: { when: "1970-01-01T00:00:00.000Z" } },
    ]);
    expect(failureOf(() => toJsonPatch(patches))).toBe("TypeError");
    expect(toJsonPatch([{ op: "add", path: ["n"], value: 1 }])).toEqual([
      { op: "add", path: "/n", value: 1 },
    ]);
    expect(failureOf(() => toJsonPatch([{ op: "remove", path: ["no"] }], {}))).toBe("STATE_TYPE");
  });

  it("replaces a map or a set whole, once for all its changes", () => {
    const before = { map: new Map([["k", 1]]), set: new Set([1]) };
    const patches: Patch[] = [
      { op: "add", path: ["map", "l"], value: 2n },
      { op: "remove", path: ["map", "k"] },
      { op: "add", path: ["set", 0], value: new Uint8Array([1, 2]) },
    ];
    expect(toJsonPatch(patches, before)).toEqual([
      { op: "replace", path: "/map", value: [["l", "2"]] },
      { op: "replace", path: "/set", value: [1, "AQI="] },
    ]);
  });
});

/** The operations, without those whose paths `fromJsonPatch` refuses. */
function safe(before: unknown, patches: readonly Patch[]): JsonPatchOperation[] {
  const operations = toJsonPatch(patches, before);
  const isRefused = operations.some(({ path }) => /\/(?:__proto__|constructor)(?:\/|$)/.test(path));
  return isRefused ? [] : operations;
}

describe("fromJsonPatch", () => {
  it.each<[string, unknown, unknown[], unknown]>([
    [
      "A.1",
      { foo: "bar" },
      [{ op: "add", path: "/baz", value: "qux" }],
      { baz: "qux", foo: "bar" },
    ],
    ["A.2", { foo: [1, 3] }, [{ op: "add", path: "/foo/1", value: 2 }], { foo: [1, 2, 3] }],
    ["A.3", { baz: 1, foo: 2 }, [{ op: "remove", path: "/baz" }], { foo: 2 }],
    ["A.4", { foo: [1, 2, 3] }, [{ op: "remove", path: "/foo/1" }], { foo: [1, 3] }],
    ["A.5", { baz: 1 }, [{ op: "replace", path: "/baz", value: 2 }], { baz: 2 }],
    [
      "A.6",
      { a: { w: 1 }, b: {} },
      [{ op: "move", from: "/a/w", path: "/b/t" }],
      { a: {}, b: { t: 1 } },
    ],
    [
      "A.7",
      { foo: [1, 2, 3] },
      [{ op: "move", from: "/foo/0", path: "/foo/2" }],
      { foo: [2, 3, 1] },
    ],
    [
      "A.8",
      { a: [1, { b: 2 }] },
      [{ op: "test", path: "/a/1", value: { b: 2 } }],
      { a: [1, { b: 2 }] },
    ],
    ["A.11", { foo: 1 }, [{ op: "add", path: "/baz", value: 2, xyz: 3 }], { foo: 1, baz: 2 }],
    ["A.14", { "/": 9, "~1": 10 }, [{ op: "test", path: "/~01", value: 10 }], { "/": 9, "~1": 10 }],
    ["A.16", { foo: [1] }, [{ op: "add", path: "/foo/-", value: [2] }], { foo: [1, [2]] }],
    [
      "copy",
      { a: [1] },
      [
        { op: "copy", from: "/a", path: "/b" },
        { op: "add", path: "/a/-", value: 2 },
      ],
      { a: [1, 2], b: [1] },
    ],
    ["root", { a: 1 }, [{ op: "replace", path: "", value: { b: 1 } }], { b: 1 }],
  ])("does %s", (_name, state, ops, after) => {
    const patches = fromJsonPatch(ops as JsonPatchOperation[], state); // One with a further member.
    expect(applyPatches(state, patches)).toStrictEqual(after);
  });

  it.each<[unknown, string]>([
    [{ op: "test", path: "/n", value: 2 }, "STATE_TYPE"], // A.9
    [{ op: "add", path: "/no/bat", value: 1 }, "STATE_TYPE"], // A.12
    [{ op: "test", path: "/n", value: "1" }, "STATE_TYPE"], // A.15
    [{ op: "remove", path: "/no" }, "STATE_TYPE"],
    [{ op: "remove", path: "" }, "STATE_TYPE"],
    [{ op: "replace", path: "/no", value: 1 }, "STATE_TYPE"],
    [{ op: "replace", path: "/hidden", value: 1 }, "STATE_TYPE"],
    [{ op: "add", path: "/list/3", value: 1 }, "STATE_TYPE"],
    [{ op: "add", path: "/list/01", value: 1 }, "STATE_TYPE"],
    [{ op: "remove", path: "/list/-" }, "STATE_TYPE"],
    [{ op: "add", path: "/map/k", value: 1 }, "STATE_TYPE"],
    [{ op: "move", from: "/o", path: "/o/p" }, "STATE_TYPE"],
    [{ op: "add", path: "/__proto__/x", value: 1 }, "STATE_TYPE"],
    [{ op: "add", path: "/constructor/prototype/x", value: 1 }, "STATE_TYPE"],
    [{ op: "copy", from: "/__proto__", path: "/x" }, "STATE_TYPE"],
    [{ op: "add", path: "n", value: 1 }, "TypeError"],
    [{ op: "add", path: "/~2", value: 1 }, "TypeError"],
    [{ op: "add", path: "/n" }, "TypeError"],
    [{ op: "spam", path: "/n" }, "TypeError"],
    [{ op: "move", path: "/n" }, "TypeError"],
  ])("refuses %j by %s", (operation, code) => {
    const state = { n: 1, list: [1], o: {}, map: new Map(), hidden: undefined };
    const ops = [operation] as JsonPatchOperation[]; // Each of them is wrong.
    expect(failureOf(() => fromJsonPatch(ops, state))).toBe(code);
  });

  it("keeps the types of what it copies and moves, and compares by JSON", () => {
    const state = { at: new Date(0), list: [] as unknown[] };
    const ops: JsonPatchOperation[] = [
      { op: "test", path: "/at", value: "1970-01-01T00:00:00.000Z" },
      { op: "copy", from: "/at", path: "/list/0" },
      { op: "move", from: "/at", path: "/list/-" },
    ];
    const next = applyPatches(state, fromJsonPatch(ops, state));
    expect(next).toStrictEqual({ list: [new Date(0), new Date(0)] });
  });

  it("refuses a short patch whose copies double a state until it fills the memory", () => {
    const copies = (count: number): JsonPatchOperation[] =>
      Array.from({ length: count }, (_, at) => ({ op: "copy", from: "/d", path: `/d/${at}` }));
    const state = { d: {} };
    expect(failureOf(() => fromJsonPatch(copies(60), state))).toBe("STATE_NOT_SERIALIZABLE");
    const list = Array.from({ length: 50_000 }, () => 0);
    const flat = Array.from({ length: 60 }, (_, at) => ({
      op: "copy",
      from: "/d",
      path: `/${at}`,
    }));
    const ops = flat as JsonPatchOperation[];
    expect(failureOf(() => fromJsonPatch(ops, { d: list }))).toBe("STATE_NOT_SERIALIZABLE");
    expect(fromJsonPatch(copies(5), state)).toHaveLength(5);
  });

  it("takes a path of any length", () => {
    const key = "~0x".repeat(4_000_000);
    const patches = fromJsonPatch([{ op: "add", path: `/${key}`, value: 1 }], {});
    expect(patches[0]?.path[0]).toHaveLength(8_000_000);
    expect(failureOf(() => fromJsonPatch([{ op: "remove", path: `/${key}~` }], {}))).toBe(
      "TypeError",
    );
  });
});
