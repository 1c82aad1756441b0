import * as fc from "fast-check";
import { applyPatches as immerApply, enableMapSet, enablePatches, Immer } from "immer";
import { describe, expect, it, vi } from "vitest";
import { equal } from "../../../actors/state/equal.ts";
import { applyPatches, copyRecord, PatchError } from "../../../actors/state/patches.ts";
import type { Patch } from "../../../actors/protocol.ts";
import { copyIn } from "../../../actors/state/copy.ts";
import { propertyRuns } from "../../support/state-value.ts";

enablePatches();
enableMapSet();
const immer = new Immer({ autoFreeze: false });

interface Sample {
  count: number;
  list: unknown[];
  record: Record<string, unknown>;
  map: Map<string, unknown>;
  set: Set<unknown>;
}

type Step = (draft: Sample) => void;

const leaf = fc.oneof(fc.integer(), fc.string({ maxLength: 2 }), fc.record({ n: fc.nat(9) }));
const key = fc.constantFrom("a", "b", "c");
const place = fc.nat(6);

/** One change of a draft, chosen freely. */
const steps: fc.Arbitrary<Step> = fc.oneof(
  fc.nat(3).map(
    (n): Step =>
      (draft) =>
        void (draft.count = n),
  ),
  leaf.map(
    (value): Step =>
      (draft) =>
        void draft.list.push(value),
  ),
  fc.tuple(place, fc.nat(2), leaf).map(([at, drop, value]): Step => {
    return (draft) => void draft.list.splice(at, drop, value);
  }),
  fc.nat(3).map(
    (n): Step =>
      (draft) =>
        void (draft.list.length = Math.min(n, draft.list.length)),
  ),
  fc.tuple(place, fc.nat(9)).map(([at, n]): Step => (draft) => {
    const item = draft.list[at];
    if (typeof item === "object") Object.assign(item ?? {}, { n, more: true });
  }),
  fc.tuple(key, leaf).map(
    ([name, value]): Step =>
      (draft) =>
        void (draft.record[name] = value),
  ),
  key.map(
    (name): Step =>
      (draft) =>
        void delete draft.record[name],
  ),
  fc.tuple(key, leaf).map(
    ([name, value]): Step =>
      (draft) =>
        void draft.map.set(name, value),
  ),
  key.map(
    (name): Step =>
      (draft) =>
        void draft.map.delete(name),
  ),
  fc.nat(3).map(
    (n): Step =>
      (draft) =>
        void draft.set.add(n),
  ),
  fc.nat(3).map(
    (n): Step =>
      (draft) =>
        void draft.set.delete(n),
  ),
  leaf.map(
    (value): Step =>
      (draft) =>
        void (draft.record["deep"] = { list: [value] }),
  ),
);

function sample(): Sample {
  return {
    count: 1,
    list: [1, { n: 2 }, { n: 3 }],
    record: { a: { n: 1 }, b: [1] },
    map: new Map<string, unknown>([["a", { n: 1 }]]),
    set: new Set<unknown>([1, 2]),
  };
}

const at = (op: Patch["op"], path: Patch["path"], value?: unknown): Patch => ({ op, path, value });

describe("applyPatches", () => {
  it("does what immer does, forth and back, and leaves its arguments alone", () => {
    fc.assert(
      fc.property(fc.array(steps, { maxLength: 8 }), (recipe) => {
        const [next, patches, inverse] = immer.produceWithPatches(sample(), (draft) => {
          for (const step of recipe) step(draft);
        });
        const base = copyIn(sample(), "");
        const frozen = copyIn<Patch[]>(patches, "");
        expect(equal(applyPatches(base, frozen), next)).toBe(true);
        expect(equal(immerApply(sample(), patches), next)).toBe(true);
        expect(equal(applyPatches(next, inverse), sample())).toBe(true);
        expect(equal(base, sample())).toBe(true);
      }),
      { numRuns: propertyRuns * 3 },
    );
  });

  it("shares what no patch touches, and copies a touched node once", () => {
    const state = copyIn(sample(), "");
    const next = applyPatches(state, [at("add", ["list", 3], 4), at("add", ["list", 4], 5)]);
    expect(next.record).toBe(state.record);
    expect(next.list[1]).toBe(state.list[1]);
    expect(next.list).toEqual([1, { n: 2 }, { n: 3 }, 4, 5]);
  });

  it("copies a touched record once, however many patches touch it", () => {
    const state = { record: { a: 1 } };
    const patches = ["b", "c", "d"].map((name) => at("add", ["record", name], 1));
    const keys = vi.spyOn(Object, "keys");
    const next = applyPatches(state, patches);
    const copies = keys.mock.calls.length;
    keys.mockRestore();
    expect(next.record).toEqual({ a: 1, b: 1, c: 1, d: 1 });
    expect(copies).toBe(2);
    expect(state.record).toEqual({ a: 1 });
  });

  it("does not write into a patch's value", () => {
    const value = copyIn({ list: [1] }, "");
    const next = applyPatches({}, [at("add", ["a"], value), at("add", ["a", "list", 1], 2)]);
    expect(next).toEqual({ a: { list: [1, 2] } });
    expect(value).toEqual({ list: [1] });
  });

  it("inserts, removes and truncates in arrays", () => {
    const state = { list: ["a", "b", "c"] };
    expect(applyPatches(state, [at("add", ["list", 1], "x")]).list).toEqual(["a", "x", "b", "c"]);
    expect(applyPatches(state, [at("remove", ["list", "0"])]).list).toEqual(["b", "c"]);
    expect(applyPatches(state, [at("replace", ["list", "length"], 1)]).list).toEqual(["a"]);
  });

  it("removes a member of a set by what it holds, and adds one beside its equal", () => {
    const state = { set: new Set([{ a: 1 }]) };
    // A state may have both, so a log of patches must lead to both.
    expect(applyPatches(state, [at("add", ["set", 1], { a: 1 })]).set.size).toBe(2);
    expect(applyPatches(state, [at("remove", ["set", 0], { a: 1 })]).set.size).toBe(0);
  });

  it("replaces the whole state by the empty path", () => {
    const patches = [at("replace", [], { a: 1 }), at("add", ["b"], 2)];
    expect(applyPatches({ old: true }, patches)).toEqual({ a: 1, b: 2 });
  });

  it("never reaches a prototype", () => {
    const added = applyPatches({}, [at("add", ["__proto__"], { polluted: 1 })]);
    expect(Object.hasOwn(added, "__proto__")).toBe(true);
    expect(Object.getPrototypeOf(added)).toBe(Object.prototype);
    const deeper = applyPatches(added, [at("replace", ["__proto__", "polluted"], 2)]);
    expect(JSON.stringify(deeper)).toBe('{"__proto__":{"polluted":2}}');
    expect(JSON.stringify(added)).toBe('{"__proto__":{"polluted":1}}');
    expect("polluted" in {}).toBe(false);
  });

  it.each([
    ["an inherited object", at("add", ["__proto__", "polluted"], 1)],
    ["an inherited method", at("add", ["constructor", "polluted"], 1)],
    ["a missing record", at("add", ["nowhere", "a"], 1)],
    ["a missing key to replace", at("replace", ["nowhere"], 1)],
    ["a missing key to remove", at("remove", ["nowhere"])],
    ["a place past the end", at("add", ["list", 4], 1)],
    ["an element that is not there", at("replace", ["list", 3], 1)],
    ["a negative place", at("remove", ["list", -1])],
    ["a fraction", at("replace", ["list", 0.5], 1)],
    ["a name in an array", at("add", ["list", "x"], 1)],
    ["a longer length", at("replace", ["list", "length"], 9)],
    ["no length", at("replace", ["list", "length"], "0")],
    ["a removed length", at("remove", ["list", "length"])],
    ["a leaf in the path", at("add", ["count", "a"], 1)],
    ["a missing entry", at("remove", ["map", "zz"])],
    ["a missing member", at("remove", ["set", 0], 99)],
    ["a path through a set", at("add", ["set", 0, "a"], 1)],
    ["the root", at("remove", [])],
  ])("refuses %s", (_name, patch) => {
    const state = copyIn(sample(), "");
    expect(() => applyPatches(state, [at("replace", ["count"], 9), patch])).toThrow(PatchError);
    expect(equal(state, sample())).toBe(true);
  });
});

describe("copyRecord", () => {
  it.each([0, 3, 128, 129, 2_000])("copies %i fields and __proto__", (width) => {
    const source = JSON.parse('{"__proto__": 1}') as Record<string, unknown>;
    for (let index = 0; index < width; index++) source[`k${index}`] = index;
    const copy = copyRecord(source);
    expect(copy).not.toBe(source);
    expect(Object.getPrototypeOf(copy)).toBe(Object.prototype);
    expect(Object.entries(copy)).toEqual(Object.entries(source));
  });
});
