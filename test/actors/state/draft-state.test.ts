import { enablePatches, produceWithPatches, type Draft } from "immer";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DraftState } from "../../../actors/state/draft-state.ts";
import { equal } from "../../../actors/state/equal.ts";
import { applyPatches } from "../../../actors/state/patches.ts";
import { copyIn } from "../../../actors/state/copy.ts";
import { isDeepFrozen } from "../../support/frozen.ts";

enablePatches();
const RUNS = process.env["TEST_SCALE"] === "nightly" ? 100_000 : 1_000;
const scope = { type: "t", id: "a" };

type Bag = Record<string, unknown>;

function headOf(state: Bag, recording = true): DraftState {
  const draft = new DraftState(copyIn(state, ""), scope);
  draft.begin(recording);
  return draft;
}

interface Write {
  readonly name: string;
  readonly initial: Bag;
  readonly write: (draft: DraftState) => void;
  readonly recipe: (draft: Draft<Bag>) => void;
}

const writes: readonly Write[] = [
  {
    name: "set",
    initial: { a: 1 },
    write: (draft) => draft.set("a", 2),
    recipe: (draft) => void (draft["a"] = 2),
  },
  {
    name: "set of a missing field",
    initial: { a: 1 },
    write: (draft) => draft.set("b", 2),
    recipe: (draft) => void (draft["b"] = 2),
  },
  {
    name: "push",
    initial: { l: [1] },
    write: (draft) => draft.push("l", 2),
    recipe: (draft) => void (draft["l"] as number[]).push(2),
  },
  {
    name: "push to a missing field",
    initial: {},
    write: (draft) => draft.push("l", 2),
    recipe: (draft) => void (draft["l"] = [2]),
  },
  {
    name: "a new key",
    initial: { m: { a: 1 } },
    write: (draft) => draft.setKey("m", "b", 2),
    recipe: (draft) => void ((draft["m"] as Bag)["b"] = 2),
  },
  {
    name: "another value of a key",
    initial: { m: { a: 1 } },
    write: (draft) => draft.setKey("m", "a", 2),
    recipe: (draft) => void ((draft["m"] as Bag)["a"] = 2),
  },
  {
    name: "a removed key",
    initial: { m: { a: 1 } },
    write: (draft) => draft.deleteKey("m", "a"),
    recipe: (draft) => void delete (draft["m"] as Bag)["a"],
  },
];

describe("a head", () => {
  for (const { name, initial, write, recipe } of writes)
    it(`A4: makes the patches that immer makes for ${name}`, () => {
      const draft = headOf(initial);
      write(draft);
      const [next, patches, inverse] = produceWithPatches(initial, recipe);
      expect(draft.patches).toEqual(patches);
      expect(draft.inverse).toEqual(inverse);
      expect(draft.expose()).toEqual(next);
    });

  it("A1: throws before it writes anything", () => {
    const draft = headOf({ v: "text" });
    for (const write of [
      () => draft.push("v", 1),
      () => draft.setKey("v", "k", 1),
      () => draft.deleteKey("v", "k"),
    ])
      expect(write).toThrow(expect.objectContaining({ code: "STATE_TYPE", path: "v", scope }));
    expect([draft.changed, draft.patches, draft.expose()]).toEqual([false, [], { v: "text" }]);
  });

  it("A2: freezes what it exposes and never writes to it again", () => {
    const draft = headOf({ l: [1], m: {} });
    draft.push("l", 2);
    draft.setKey("m", "a", 1);
    const seen = draft.expose();
    expect(isDeepFrozen(seen)).toBe(true);
    draft.push("l", 3);
    draft.setKey("m", "b", 2);
    draft.set("l", Object.freeze([]));
    expect(seen).toEqual({ l: [1, 2], m: { a: 1 } });
    expect(isDeepFrozen(draft.expose())).toBe(true);
  });

  it("A3: leaves everything as it is for an equal write", () => {
    const draft = headOf({ a: [1], m: { k: { x: 1 } } });
    const before = draft.expose();
    draft.set("a", Object.freeze([1]));
    draft.setKey("m", "k", Object.freeze({ x: 1 }));
    draft.deleteKey("m", "none");
    draft.replace(copyIn({ a: [1], m: { k: { x: 1 } } }, ""));
    expect([draft.changed, draft.patches, draft.inverse]).toEqual([false, [], []]);
    expect(draft.expose()).toBe(before);
  });

  it("A5: reads own properties only", () => {
    const draft = headOf({});
    for (const name of ["__proto__", "constructor", "toString"]) {
      expect(draft.get(name)).toBe(undefined);
      draft.push(name, 1);
      expect(draft.get(name)).toEqual([1]);
    }
    expect(Object.getPrototypeOf(draft.expose())).toBe(Object.prototype);
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
        const draft = headOf({ a: [1], b: { a: 1 } }, recording);
        const start = draft.expose();
        const seen: [object, object][] = [];
        for (const { kind, field: name, key, value: given } of list) {
          const frozen = copyIn(given, "");
          try {
            if (kind === "set") draft.set(name, frozen);
            else if (kind === "push") draft.push(name, frozen);
            else if (kind === "setKey") draft.setKey(name, key, frozen);
            else if (kind === "deleteKey") draft.deleteKey(name, key);
            else if (kind === "replace") draft.replace(copyIn({ [name]: given }, ""));
            else seen.push([draft.expose(), structuredClone(draft.expose())]);
          } catch (error) {
            expect(error).toMatchObject({ code: "STATE_TYPE" });
          }
        }
        const end = draft.expose();
        for (const [state, copy] of seen) expect(equal(state, copy)).toBe(true);
        expect(isDeepFrozen(end)).toBe(true);
        expect(draft.patches === null).toBe(!recording);
        if (draft.patches === null || draft.inverse === null) return;
        expect(equal(applyPatches(start, draft.patches), end)).toBe(true);
        expect(equal(applyPatches(end, draft.inverse), start)).toBe(true);
        expect(draft.patches.every((patch) => isDeepFrozen(patch.value))).toBe(true);
      }),
      { numRuns: RUNS },
    );
  });
});
