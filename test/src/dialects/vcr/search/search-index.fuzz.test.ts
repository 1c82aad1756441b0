import * as fc from "fast-check";
import { expect, it, vi } from "vitest";
import { SearchError } from "../../../../../src/dialects/vcr/search/search-error.ts";
import { createSearchIndex } from "../../../../../src/dialects/vcr/search/search-index.ts";
import { characters } from "../../../../support/state-value.ts";

const IS_NIGHTLY = process.env["TEST_SCALE"] === "nightly";
const RUNS = IS_NIGHTLY ? 500_000 : 20_000;
// Only so that the larger runs are not cut off.
vi.setConfig({ testTimeout: IS_NIGHTLY ? 600_000 : 20_000 });

const index = createSearchIndex({
  schema: [
    { fieldName: "title", type: "TEXT" },
    { fieldName: "tag", type: "TAG" },
    { fieldName: "n", type: "NUMERIC" },
    { fieldName: "loc", type: "GEO" },
  ],
});
const TITLES = ["hello world", "hello __proto__", "constructor toString", "running é \ud800 😀"];
for (const [number, title] of TITLES.entries()) {
  index.put(`d:${number}`, [
    ["title", title],
    ["tag", "red,blue sky"],
    ["n", String(number)],
    ["loc", `${number},50`],
  ]);
}

const PIECES = [
  ..."()|-~\"%@*:;{}[]$\\='w,. \n\0_é".split(""),
  "hello",
  "world",
  "run",
  "the",
  "@title:",
  "@tag:{",
  "@n:[",
  "@loc:[",
  "@__proto__:",
  "constructor",
  "$p",
  "$nope",
  "=>{$weight:",
  "=>{$slop:1;$inorder:true}",
  "inf",
  "-1.5e3",
  "(2",
  "km",
  "]",
  "red",
  "w'h?l*'",
  "%%",
  "\ud800",
];

const queries = fc.oneof(
  fc.array(fc.constantFrom(...PIECES), { maxLength: 24 }).map((pieces) => pieces.join("")),
  fc.string({ unit: characters, maxLength: 40 }),
);

const options = fc.constantFrom(
  {},
  { withScores: true, sortBy: { field: "title", order: "DESC" } } as const,
  { highlight: {}, summarize: { len: 2 } },
  { slop: 1, inOrder: true, verbatim: true },
  { inFields: ["title", "nope"], noStopwords: true },
);

it("answers or refuses any query with a typed error", () => {
  let answered = 0;
  let refused = 0;
  fc.assert(
    fc.property(queries, options, (query, given) => {
      try {
        const params = new Map<string, string | number>([["p", "hello"]]);
        const { total, hits } = index.search(query, { ...given, params });
        answered += 1;
        return hits.length === Math.min(total, 10) && total <= TITLES.length;
      } catch (error) {
        if (!(error instanceof SearchError)) throw error;
        refused += 1;
        const { offset = 0 } = error;
        return offset >= 0 && offset <= query.length;
      }
    }),
    { numRuns: RUNS },
  );
  expect(answered).toBeGreaterThan(RUNS / 20);
  expect(refused).toBeGreaterThan(RUNS / 20);
  expect(index.size).toBe(TITLES.length);
});
