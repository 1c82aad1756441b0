import * as fc from "fast-check";
import { expect, it } from "vitest";
import { matchesGlob } from "../../../../../src/dialects/vcr/search/glob.ts";

it.each([
  ["hello", "hello", true],
  ["hello", "h?l*", true],
  ["hello", "*", true],
  ["", "*", true],
  ["", "?", false],
  ["hello", "*l?", true],
  ["hello", "l*", false],
  ["a*b", "a\\*b", true],
  ["axb", "a\\*b", false],
  ["abab", "*ab", true],
])("%j against %j is %s", (term, glob, expected) => {
  expect(matchesGlob(term, glob)).toBe(expected);
});

it("agrees with a regular expression", () => {
  const letters = fc.array(fc.constantFrom("a", "b"), { maxLength: 8 });
  const globs = fc.array(fc.constantFrom("a", "b", "?", "*"), { maxLength: 6 });
  fc.assert(
    fc.property(letters, globs, (term, glob) => {
      const signs = glob.map((sign) => (sign === "*" ? ".*" : sign === "?" ? "." : sign));
      const expression = new RegExp(`^${signs.join("")}$`);
      expect(matchesGlob(term.join(""), glob.join(""))).toBe(expression.test(term.join("")));
    }),
  );
});
