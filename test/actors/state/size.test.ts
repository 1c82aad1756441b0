import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { sizeBytes } from "../../../actors/state/size.ts";
import { copyIn } from "../../../actors/state/copy.ts";
import { jsonStates, propertyRuns } from "../../support/state-value.ts";

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
