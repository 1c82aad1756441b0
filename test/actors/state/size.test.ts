import * as fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { DraftState } from "../../../actors/state/draft-state.ts";
import { sizeBytes } from "../../../actors/state/size.ts";
import { copyIn } from "../../../actors/state/copy.ts";
import { jsonStates, propertyRuns, stateValues } from "../../support/state-value.ts";

describe("sizeBytes", () => {
  it("is the length of the JSON text, measured afresh and remembered", () => {
    fc.assert(
      fc.property(jsonStates, (state) => {
        const expected = Buffer.byteLength(JSON.stringify(state));
        const frozen = copyIn(state, "");
        expect([sizeBytes(state), sizeBytes(frozen), sizeBytes(frozen)]).toEqual(
          Array.from({ length: 3 }, () => expected),
        );
      }),
      { numRuns: propertyRuns },
    );
  });

  it.each([
    [{}],
    [[]],
    [{ a: undefined }],
    [{ a: undefined, b: [undefined] }],
    [[Number.NaN, Infinity, -0, 1e21, 1.5e-7]],
    [{ 'k"\n': "\ud800 \ud83d\ude00 é \u0000 \u007f" }],
    [{ at: new Date(0), never: new Date(Number.NaN) }],
    [[true, false, null]],
  ])("writes what JSON writes (%#)", (value) => {
    expect(sizeBytes(value)).toBe(Buffer.byteLength(JSON.stringify(value)));
  });

  it("counts what JSON cannot hold by its natural text", () => {
    expect(sizeBytes(12n)).toBe('"12"'.length);
    expect(sizeBytes(new Map([["a", 1]]))).toBe('[["a",1]]'.length);
    expect(sizeBytes(new Set([1, 2]))).toBe("[1,2]".length);
    expect(sizeBytes(new Uint8Array([1, 2, 3, 4]))).toBe('"AQIDBA=="'.length);
  });

  it("measures a changed object again unless it is frozen", () => {
    const open = { text: "x".repeat(200) };
    const before = sizeBytes(open);
    open.text += "y";
    expect(sizeBytes(open)).toBe(before + 1);
  });

  it("does not walk a frozen node twice", () => {
    let reads = 0;
    const node = Object.freeze({
      get text(): string {
        reads++;
        return "x".repeat(500);
      },
    });
    expect(sizeBytes({ node })).toBe(sizeBytes({ node }));
    expect(reads).toBe(1);
  });
});

describe("the size of a state under construction", () => {
  const scope = { type: "t", id: "a" };
  const write = fc.record({
    operation: fc.constantFrom("push", "setKey", "deleteKey", "set", "measure"),
    key: fc.constantFrom("k", "__proto__", "é"),
    value: stateValues,
  });

  it("Z3: is that of the finished state measured afresh, whatever was written", () => {
    fc.assert(
      fc.property(fc.array(write, { maxLength: 30 }), (writes) => {
        const initial = { a: ["x".repeat(150)], b: { k: "x".repeat(150) }, c: 1 };
        const draft = new DraftState(copyIn(initial, ""), scope);
        for (const { operation, key, value } of writes) {
          const frozen = copyIn(value, "", { depth: 2 });
          if (operation === "push") draft.push("a", frozen);
          else if (operation === "setKey") draft.setKey("b", key, frozen);
          else if (operation === "deleteKey") draft.deleteKey("b", key);
          else if (operation === "set") draft.set("c", frozen);
          else sizeBytes(draft.expose());
        }
        const state = draft.expose();
        // A copy shares no measured node with the state.
        expect(sizeBytes(state)).toBe(sizeBytes(copyIn(state, "")));
      }),
      { numRuns: propertyRuns },
    );
  });

  it("Z3: costs no walk through a long list or record when one member is written", () => {
    const items = Array.from({ length: 5_000 }, (_, at) => ({ at }));
    const entries = items.map((item) => [`k${item.at}`, item] as const);
    const draft = new DraftState(
      copyIn({ n: 0, items, byKey: Object.fromEntries(entries) }, ""),
      scope,
    );
    const before = sizeBytes(draft.expose());
    draft.push("items", copyIn({ at: 5_000 }, ""));
    draft.setKey("byKey", "k7", copyIn({ at: 70 }, ""));
    draft.deleteKey("byKey", "k8");
    const state = draft.expose();
    const keys = vi.spyOn(Object, "keys");
    const after = sizeBytes(state);
    const looks = keys.mock.calls.length;
    keys.mockRestore();
    expect(after).toBe(before + ',{"at":5000}'.length + 1 - ',"k8":{"at":8}'.length);
    expect(looks).toBeLessThan(10);
  });
});
