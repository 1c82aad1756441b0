import { describe, expect, it } from "vitest";
import { parseFilter } from "../../../../../src/dialects/vcr/search/filter.ts";
import { FILTER_CHARS_MAX, QUERY_DEPTH_MAX } from "../../../../../src/dialects/vcr/search/limit.ts";

const fields = new Map([
  ["n", "7"],
  ["s", "x"],
  ["empty", ""],
]);

describe("parseFilter", () => {
  it.each([
    ["@n > 5", true],
    ["@n>7", false],
    ["@n>=7 && @n<=7 && @n==7.0", true],
    ["@n<7", false],
    ["@n!=7", false],
    ["5 < @n", true],
    ["@n > -1", true],
    ['@s=="x"', true],
    ["@s=='y'", false],
    ["@s != 'y'", true],
    ["@s < 'y'", true],
    ["@empty==''", true],
    ["@nope==''", false],
    ["@nope!='x'", false],
    ["@__proto__ != 'x'", false],
    ["@n==1 || @s=='x' && @n==7", true],
    ["(@n==7 || @s=='x') && @n==1", false],
    ["((@n==7))", true],
  ])("%j is %s", (text, expected) => {
    expect(parseFilter(text)(fields)).toBe(expected);
  });

  it.each([
    ["", 0],
    ["@n", 2],
    ["@n >", 4],
    ["@n = 5", 2],
    ["@n > 5 &&", 9],
    ["(@n > 5", 7],
    ["@n > 5)", 6],
    ["@n > 5 @s", 7],
    ["upper(@n) > 5", 0],
    ["@s == 'x", 5],
    ["&& @n", 0],
  ])("%j is refused at offset %i", (text, offset) => {
    expect(() => parseFilter(text)).toThrow(expect.objectContaining({ code: "SYNTAX", offset }));
  });

  it("is limited in length and depth", () => {
    const nest = (depth: number) => `${"(".repeat(depth)}@n>5${")".repeat(depth)}`;
    expect(parseFilter(nest(QUERY_DEPTH_MAX))(fields)).toBe(true);
    const limit = expect.objectContaining({ code: "LIMIT" });
    expect(() => parseFilter(nest(QUERY_DEPTH_MAX + 1))).toThrow(limit);
    expect(() => parseFilter("@n>5".padEnd(FILTER_CHARS_MAX + 1))).toThrow(limit);
  });
});
