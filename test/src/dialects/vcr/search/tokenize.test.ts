import { describe, expect, it } from "vitest";
import { TERM_CHARS_MAX } from "../../../../../src/dialects/vcr/search/limit.ts";
import { fold, forEachToken } from "../../../../../src/dialects/vcr/search/tokenize.ts";

function termsOf(text: string): string[] {
  const terms: string[] = [];
  forEachToken(text, (term) => terms.push(term) > 0);
  return terms;
}

describe("forEachToken", () => {
  it.each([
    ["Hello world", "hello world"],
    ["a_b __x 12.5 -7 #tag $5 100%", "a_b __x 12 5 7 tag 5 100"],
    ["user-name foo.bar@example.com", "user name foo bar example com"],
    ["O'Brien's", "o brien s"],
    ["one\ntwo\tthree\r\nfour\0five", "one two three four five"],
    ["esc\\-aped foo\\.bar back\\\\slash end\\", "esc-aped foo.bar back\\slash end"],
    ["ÜBER straße 東京 😀 —dash…", "über straße 東京 😀 —dash…"],
    ["ΣΊΣΥΦΟΣ", "σίσυφοσ"],
    [" ,.;", ""],
    ["", ""],
  ])("splits %j", (text, expected) => {
    expect(termsOf(text)).toEqual(expected === "" ? [] : expected.split(" "));
  });

  it("tells where each word is, and stops when told to", () => {
    const seen: [string, string][] = [];
    const text = "One, TWO\\-x three";
    forEachToken(text, (term, start, end) => seen.push([term, text.slice(start, end)]) < 2);
    expect(seen).toEqual([
      ["one", "One"],
      ["two-x", "TWO\\-x"],
    ]);
  });

  it("cuts a word that is too long", () => {
    expect(termsOf("a".repeat(TERM_CHARS_MAX + 5))).toEqual(["a".repeat(TERM_CHARS_MAX)]);
  });
});

it("folds a sigma alike wherever it stands", () => {
  expect(fold("ΑΣ ΣΑ")).toBe("ασ σα");
});
