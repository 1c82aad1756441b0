import { expect, it } from "vitest";
import { Dictionary } from "../../../../../src/dialects/vcr/search/dictionary.ts";
import { EXPANSIONS_MAX } from "../../../../../src/dialects/vcr/search/limit.ts";
import type { Pattern } from "../../../../../src/dialects/vcr/search/query-tree.ts";

function expand(dictionary: Dictionary, pattern: Pattern): string[] {
  return dictionary
    .expand(pattern)
    .map(({ text }) => text)
    .toSorted();
}

it("keeps its tree of terms in step", () => {
  const dictionary = new Dictionary();
  const prefix = { kind: "prefix", text: "he" } as const;
  const held = dictionary.fetch("held");
  expect(expand(dictionary, prefix)).toEqual(["held"]);
  dictionary.fetch("help");
  dictionary.fetch("__proto__");
  expect(dictionary.fetch("held")).toBe(held);
  expect(expand(dictionary, prefix)).toEqual(["held", "help"]);
  expect(expand(dictionary, { kind: "prefix", text: "__" })).toEqual(["__proto__"]);
  dictionary.remove(held);
  expect(expand(dictionary, prefix)).toEqual(["help"]);
  expect(dictionary.get("held")).toBeUndefined();
  expect(dictionary.size).toBe(2);
});

it("counts single-character edits; a swap is two", () => {
  const dictionary = new Dictionary();
  for (const term of ["hello", "hallo", "hlelo", "helloo", "ello", "hxxxo"]) dictionary.fetch(term);
  const within = (distance: number) =>
    expand(dictionary, { kind: "fuzzy", text: "hello", distance });
  expect(within(1)).toEqual(["ello", "hallo", "hello", "helloo"]);
  expect(within(2)).toEqual(["ello", "hallo", "hello", "helloo", "hlelo"]);
  expect(within(3)).toHaveLength(6);
});

it("stands for a limited number of terms", () => {
  const dictionary = new Dictionary();
  for (let number = 0; number < 2 * EXPANSIONS_MAX; number++) dictionary.fetch(`ab${number}`);
  for (const kind of ["prefix", "infix"] as const) {
    expect(expand(dictionary, { kind, text: "ab" })).toHaveLength(EXPANSIONS_MAX);
    expect(expand(dictionary, { kind, text: "a" })).toEqual([]);
  }
  expect(expand(dictionary, { kind: "glob", text: "*" })).toHaveLength(EXPANSIONS_MAX);
  expect(expand(dictionary, { kind: "fuzzy", text: "ab1", distance: 3 })).toHaveLength(
    EXPANSIONS_MAX,
  );
});
