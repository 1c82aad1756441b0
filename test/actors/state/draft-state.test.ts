import { enablePatches, produceWithPatches, type Draft } from "immer";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Head } from "../../../actors/state/draft-state.ts";
import { equal } from "../../../actors/state/equal.ts";
import { applyPatches } from "../../../actors/state/patches.ts";
import { copyIn } from "../../../actors/state/copy.ts";
import { isDeepFrozen } from "../../support/frozen.ts";

enablePatches();
const RUNS = process.env["TEST_SCALE"] === "nightly" ? 100_000 : 1_000;
const scope = { type: "t", id: "a" };

type Bag = Record<string, unknown>;

function headOf(state: Bag, recording = true): Head {
  const head = new Head(copyIn(state, ""), scope);
  head.begin(recording);
  return head;
}

interface Write {
  readonly name: string;
  readonly initial: Bag;
  readonly write: (head: Head) => void;
  readonly recipe: (draft: Draft<Bag>) => void;
}

const writes: readonly Write[] = [
  {
    name: "set",
    initial: { a: 1 },
    write: (head) => head.set("a", 2),
    recipe: (draft) => void (draft["a"] = 2),
  },
  {
    name: "set of a missing field",
    initial: { a: 1 },
    write: (head) => head.set("b", 2),
    recipe: (draft) => void (draft["b"] = 2),
  },
  {
    name: "push",
    initial: { l: [1] },
    write: (head) => head.push("l", 2),
    recipe: (draft) => void (draft["l"] as number[]).push(2),
  },
  {
    name: "push to a missing field",
    initial: {},
    write: (head) => head.push("l", 2),
    recipe: (draft) => void (draft["l"] = [2]),
  },
  {
    name: "a new key",
    initial: { m: { a: 1 } },
    write: (head) => head.setKey("m", "b", 2),
    recipe: (draft) => void ((draft["m"] as Bag)["b"] = 2),
  },
  {
    name: "another value of a key",
    initial: { m: { a: 1 } },
    write: (head) => head.setKey("m", "a", 2),
    recipe: (draft) => void ((draft["m"] as Bag)["a"] = 2),
  },
  {
    name: "a removed key",
    initial: { m: { a: 1 } },
    write: (head) => head.deleteKey("m", "a"),
    recipe: (draft) => void delete (draft["m"] as Bag)["a"],
  },
];

describe("a head", () => {
  for (const { name, initial, write, recipe } of writes)
    it(`A4: makes the patches that immer makes for ${name}`, () => {
      const head = headOf(initial);
      write(head);
      const [next, patches, inverse] = produceWithPatches(initial, recipe);
      expect(head.patches).toEqual(patches);
      expect(head.inverse).toEqual(inverse);
      expect(head.expose()).toEqual(next);
    });

  it("A1: throws before it writes anything", () => {
    const head = headOf({ v: "text" });
    for (const write of [
      () => head.push("v", 1),
      () => head.setKey("v", "k", 1),
      () => head.deleteKey("v", "k"),
    ])
      expect(write).toThrow(expect.objectContaining({ code: "STATE_TYPE", path: "v", scope }));
    expect([head.changed, head.patches, head.expose()]).toEqual([false, [], { v: "text" }]);
  });

  it("A2: freezes what it exposes and never writes to it again", () => {
    const head = headOf({ l: [1], m: {} });
    head.push("l", 2);
    head.setKey("m", "a", 1);
    const seen = head.expose();
    expect(isDeepFrozen(seen)).toBe(true);
    head.push("l", 3);
    head.setKey("m", "b", 2);
    head.set("l", Object.freeze([]));
    expect(seen).toEqual({ l: [1, 2], m: { a: 1 } });
    expect(isDeepFrozen(head.expose())).toBe(true);
  });

  it("A3: leaves everything as it is for an equal write", () => {
    const head = headOf({ a: [1], m: { k: { x: 1 } } });
    const before = head.expose();
    head.set("a", Object.freeze([1]));
    head.setKey("m", "k", Object.freeze({ x: 1 }));
    head.deleteKey("m", "none");
    head.replace(copyIn({ a: [1], m: { k: { x: 1 } } }, ""));
    expect([head.changed, head.patches, head.inverse]).toEqual([false, [], []]);
    expect(head.expose()).toBe(before);
  });

  it("A5: reads own properties only", () => {
    const head = headOf({});
    for (const name of ["__proto__", "constructor", "toString"]) {
      expect(head.get(name)).toBe(undefined);
      head.push(name, 1);
      expect(head.get(name)).toEqual([1]);
    }
    expect(Object.getPrototypeOf(head.expose())).toBe(Object.prototype);
  });

  it(`A2, A4: holds for random writes with looks in between (${RUNS} runs)`, () => {
    const field = fc.constantFrom("a", "b", "__proto__");
    const value = fc.constantFrom<unknown>(0, -0, Number.NaN, undefined, "x", [1], { k: 1 });
    const write = fc.record({
      kind: fc.constantFrom("set", "push", "setKey", "deleteKey", "replace", "look" as const),
      field,
      key: field,
      value,
    });
    fc.assert(
      fc.property(fc.array(write, { maxLength: 12 }), fc.boolean(), (list, recording) => {
        const head = headOf({ a: [1], b: { a: 1 } }, recording);
        const start = head.expose();
        const seen: [object, object][] = [];
        for (const { kind, field: name, key, value: given } of list) {
          const frozen = copyIn(given, "");
          try {
            if (kind === "set") head.set(name, frozen);
            else if (kind === "push") head.push(name, frozen);
            else if (kind === "setKey") head.setKey(name, key, frozen);
            else if (kind === "deleteKey") head.deleteKey(name, key);
            else if (kind === "replace") head.replace(copyIn({ [name]: given }, ""));
            else seen.push([head.expose(), structuredClone(head.expose())]);
          } catch (error) {
            expect(error).toMatchObject({ code: "STATE_TYPE" });
          }
        }
        const end = head.expose();
        for (const [state, copy] of seen) expect(equal(state, copy)).toBe(true);
        expect(isDeepFrozen(end)).toBe(true);
        expect(head.patches === null).toBe(!recording);
        if (head.patches === null || head.inverse === null) return;
        expect(equal(applyPatches(start, head.patches), end)).toBe(true);
        expect(equal(applyPatches(end, head.inverse), start)).toBe(true);
        expect(head.patches.every((patch) => isDeepFrozen(patch.value))).toBe(true);
      }),
      { numRuns: RUNS },
    );
  });
});
