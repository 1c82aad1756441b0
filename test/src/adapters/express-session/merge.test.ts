/** Merging two changes of a session. */
import { assert, jsonValue, property } from "fast-check";
import { describe, expect, it } from "vitest";
import { merged } from "../../../../src/adapters/express-session/merge.ts";

describe("merged", () => {
  const cases: readonly (readonly [string, ...unknown[]])[] = [
    ["fields of both", { a: 1 }, { a: 1, b: 2 }, { a: 1, c: 3 }, { a: 1, b: 2, c: 3 }],
    ["mine, of one that both changed", { a: 1 }, { a: 2 }, { a: 3 }, { a: 2 }],
    ["neither of what each removed", { a: 1, b: 1 }, { b: 1 }, { a: 1 }, {}],
    ["nested fields", { a: {} }, { a: { b: 1 } }, { a: { c: 1 } }, { a: { b: 1, c: 1 } }],
    ["objects that both made", {}, { a: { b: 1 } }, { a: { c: 1 } }, { a: { b: 1, c: 1 } }],
    ["what both appended", [1], [1, 2], [1, 3], [1, 3, 2]],
    ["mine, of a list that was edited", [1, 2], [2], [1, 2, 3], [2]],
    ["mine, where the types differ", { a: 1 }, { a: [1] }, { a: { b: 1 } }, { a: [1] }],
  ];

  it.each(cases)("has %s", (_name, ...[base, mine, stored, expected]) => {
    expect(merged({ base, mine, stored })).toEqual(expected);
  });

  it("changes no prototype", () => {
    const evil = JSON.parse('{"__proto__":{"bad":1}}') as object;
    const both = merged({ base: {}, mine: evil, stored: { a: 1 } }) as object;
    expect([Object.keys(both), Reflect.get({}, "bad")]).toEqual([["a", "__proto__"], undefined]);
  });

  it("is mine when no one else changed anything, and theirs when mine is as it was", () => {
    const json = jsonValue({ maxDepth: 3 });
    assert(
      property(json, json, (base, other) => {
        const text = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
        const [was, is] = [text(base), text(other)];
        expect(merged({ base: was, mine: is, stored: was })).toEqual(is);
        expect(merged({ base: was, mine: was, stored: is })).toEqual(is);
      }),
    );
  });
});
