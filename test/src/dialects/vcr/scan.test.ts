import { describe, expect, it } from "vitest";
import * as fc from "fast-check";
import { matchesPattern } from "../../../../src/dialects/vcr/pattern.ts";
import { scanPage } from "../../../../src/dialects/vcr/scan.ts";

describe("matchesPattern", () => {
  it.each([
    ["name", "*", true],
    ["name", "n*e", true],
    ["name", "n*x", false],
    ["name", "????", true],
    ["name", "???", false],
    ["", "", true],
    ["", "*", true],
    ["a", "", false],
    ["a-b", "a[-]b", true],
    ["b", "[c-a]", true],
    ["]", String.raw`[\]]`, true],
    ["a", "[^a]", false],
    ["a", "[a", true],
    ["*", String.raw`\*`, true],
    ["x", String.raw`\*`, false],
    ["ö", "?", false],
    ["ö", "??", true],
  ])("%j by %j is %s", (name, pattern, fits) => {
    expect(matchesPattern(name, pattern)).toBe(fits);
  });

  it("takes no time for patterns of many stars", () => {
    expect(matchesPattern("a".repeat(2_000), `${"a*".repeat(500)}b`)).toBe(false);
  });
});

describe("scanPage", () => {
  it("gives what is there all the time exactly once, whatever else comes and goes", () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat({ max: 5_000 }), { maxLength: 20 }),
        fc.integer({ min: 1, max: 200 }),
        (changes, count) => {
          const stays = Array.from({ length: 700 }, (_, n) => `stay${n}`);
          const moving = new Set<string>(["gone1", "gone2"]);
          const seen: string[] = [];
          let start = 0;
          let step = 0;
          do {
            const fields = [...stays, ...moving].map((name) => [name, "v"] as const);
            const [next, page] = scanPage(fields, { start, pattern: "stay*", count });
            seen.push(...page.filter((_text, at) => at % 2 === 0));
            const change = `gone${changes[step % Math.max(1, changes.length)] ?? 0}`;
            if (!moving.delete(change)) moving.add(change);
            start = Number(next);
            step += 1;
          } while (start !== 0);
          expect(seen.toSorted()).toEqual(stays.toSorted());
        },
      ),
      { numRuns: 30 },
    );
  });
});
