import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { difference } from "../../../actors/state/diff.ts";
import { copyIn } from "../../../actors/state/copy.ts";
import { equal } from "../../../actors/state/equal.ts";
import { applyPatches } from "../../../actors/state/patches.ts";
import { isDeepFrozen } from "../../support/frozen.ts";

type Fields = Record<string, unknown>;

const key = fc.constantFrom("a", "b", "c", "d", "__proto__");
const leaf = fc.oneof(fc.constantFrom(0, -0, Number.NaN, undefined, null), fc.integer({ max: 3 }));
const { fields } = fc.letrec<{ node: unknown; fields: Fields }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 3 },
    leaf,
    fc.array(tie("node"), { maxLength: 4 }),
    tie("fields"),
    fc.array(fc.tuple(key, tie("node")), { maxLength: 3 }).map((pairs) => new Map(pairs)),
    fc.array(tie("node"), { maxLength: 3 }).map((members) => new Set(members)),
    fc.integer({ min: 0, max: 2 }).map((time) => new Date(time)),
  ),
  fields: fc.dictionary(key, tie("node"), { maxKeys: 4, noNullPrototype: true }),
}));

/** `next` with the parts of `before` in it that it shares, as a recipe leaves them. */
const pair = fc.tuple(fields, fields, fc.array(key)).map(([before, made, kept]) => {
  const state = copyIn(before, "");
  const next: Fields = { ...made };
  for (const each of kept)
    if (Object.hasOwn(state, each))
      Object.defineProperty(next, each, { value: state[each], enumerable: true, writable: true });
  return [state, next] as const;
});

describe("the difference of two states", () => {
  it("I1, I2: is the next state, with patches to it and back", () => {
    fc.assert(
      fc.property(pair, ([before, next]) => {
        const { state, patches, inverse } = difference(before, next);
        expect(equal(state, next)).toBe(true);
        expect(state === before).toBe(equal(before, next));
        expect(isDeepFrozen(state)).toBe(true);
        expect(equal(applyPatches(before, patches), state)).toBe(true);
        expect(equal(applyPatches(state, inverse), before)).toBe(true);
      }),
    );
  });

  it("is the same state, without patches, when they are not asked for", () => {
    fc.assert(
      fc.property(pair, ([before, next]) => {
        const { state, patches, inverse } = difference(before, next, undefined, false);
        expect(equal(state, next)).toBe(true);
        expect(state === before).toBe(equal(before, next));
        expect([...patches, ...inverse]).toEqual([]);
      }),
    );
  });

  it("I1, I3: shares what is equal at the same path, and nothing else", () => {
    const before = copyIn({ same: { n: 1 }, list: [{ n: 1 }, { n: 2 }], gone: { n: 1 } }, "");
    const next = { same: { n: 1 }, list: [{ n: 1 }, { n: 3 }], fresh: { n: 4 } };
    const state = difference(before, next).state as typeof next;
    expect(state).toEqual(next);
    expect(state.same).toBe(before.same);
    expect(state.list[0]).toBe(before.list[0]);
    next.fresh.n = 5;
    next.list[1] = { n: 6 };
    expect(state).toEqual({ ...next, fresh: { n: 4 }, list: [{ n: 1 }, { n: 3 }] });
  });
});
