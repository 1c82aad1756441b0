import * as fc from "fast-check";
import { it, vi } from "vitest";
import type { SearchDefinition } from "../../../../../src/dialects/vcr/search/schema.ts";
import { createSearchIndex } from "../../../../../src/dialects/vcr/search/search-index.ts";

const IS_NIGHTLY = process.env["TEST_SCALE"] === "nightly";
const RUNS = IS_NIGHTLY ? 5_000 : 150;
// Only so that the larger runs are not cut off.
vi.setConfig({ testTimeout: IS_NIGHTLY ? 600_000 : 20_000 });

const DEFINITION: SearchDefinition = {
  schema: [
    { fieldName: "a", type: "TEXT", weight: 2 },
    { fieldName: "b", type: "TEXT" },
    { fieldName: "tag", type: "TAG" },
    { fieldName: "n", type: "NUMERIC" },
    { fieldName: "loc", type: "GEO" },
  ],
  scoreField: "sc",
};

const WORDS = ["run", "running", "runs", "apple", "apples", "tree", "the", "__proto__", "größe"];
const text = fc.array(fc.constantFrom(...WORDS), { maxLength: 6 }).map((words) => words.join(" "));
const record = fc.record(
  {
    a: text,
    b: text,
    tag: fc.constantFrom("red", "red,blue", "Blue Sky", "constructor", ""),
    // The last value is not a number, so such a document must leave the index.
    n: fc.constantFrom("0", "1", "2.5", "-3", "inf", "nope"),
    loc: fc.constantFrom("0,0", "1,1", "-0.1,51.5"),
    sc: fc.constantFrom("0.5", "1", "7"),
  },
  { requiredKeys: [] },
);
type Fields = Partial<Record<"a" | "b" | "tag" | "n" | "loc" | "sc", string>>;

const ids = fc.constantFrom("d:1", "d:2", "d:3", "d:4", "d:5", "__proto__");
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ id: ids, fields: record }) },
  { weight: 1, arbitrary: fc.record({ id: ids }) },
);

const QUERIES = [
  "*",
  "run",
  "apples",
  "@a:running",
  '"running tree"',
  "run ~apple -tree",
  "ru*",
  "*pple*",
  "%appl%",
  "@tag:{red|blue sky}",
  "@tag:{constructor}",
  "@n:[(0 inf]",
  "@loc:[0 0 200 km]",
  "-run",
  "@a|b:__proto__ | @n:[1]",
  "größe",
];

const OPTIONS = [
  { withScores: true, limit: { offset: 0, num: 100 } },
  { withSortKeys: true, sortBy: { field: "n", order: "DESC" } },
  { highlight: {}, slop: 2 },
] as const;

function entriesOf(fields: Fields): [string, string][] {
  return Object.entries(fields).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  );
}

function answers(index: ReturnType<typeof createSearchIndex>): string {
  const all = QUERIES.flatMap((query) => OPTIONS.map((options) => index.search(query, options)));
  return JSON.stringify(all);
}

it("answers after any writes and deletes as an index built anew", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.nat(40), (steps, searchEvery) => {
      const index = createSearchIndex(DEFINITION);
      const model = new Map<string, Fields>();
      for (const [at, change] of steps.entries()) {
        model.delete(change.id);
        if ("fields" in change) {
          index.put(change.id, entriesOf(change.fields));
          model.set(change.id, change.fields);
        } else index.delete(change.id);
        // A search in between makes the lazy parts, which later writes must then keep up to date.
        if (searchEvery > 0 && at % searchEvery === 0) answers(index);
      }
      const rebuilt = createSearchIndex(DEFINITION);
      for (const [id, fields] of model) rebuilt.put(id, entriesOf(fields));
      return index.size === rebuilt.size && answers(index) === answers(rebuilt);
    }),
    { numRuns: RUNS },
  );
});

it("answers the same after the numbering was closed up", () => {
  const index = createSearchIndex(DEFINITION);
  const fields = (round: number): [string, string][] => [
    ["a", WORDS[round % WORDS.length] ?? ""],
    ["tag", round % 2 === 0 ? "red" : "blue"],
    ["n", String(round % 7)],
    ["loc", "1,1"],
  ];
  const rounds = 3_000;
  for (let round = 0; round < rounds; round++) index.put(`d:${round % 5}`, fields(round));
  const rebuilt = createSearchIndex(DEFINITION);
  for (let round = rounds - 5; round < rounds; round++) {
    rebuilt.put(`d:${round % 5}`, fields(round));
  }
  if (answers(index) !== answers(rebuilt)) throw new Error("the answers differ");
});

/** A query over single words together with what it must mean. */
interface Meaning {
  readonly query: string;
  readonly matches: (words: ReadonlySet<string>) => boolean;
}

const { meaning } = fc.letrec<{ meaning: Meaning }>((tie) => ({
  meaning: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc
      .constantFrom("red", "fox", "den", "owl")
      .map((word): Meaning => ({ query: word, matches: (words) => words.has(word) })),
    fc.tuple(tie("meaning"), tie("meaning")).map(([a, b]): Meaning => ({
      query: `(${a.query} ${b.query})`,
      matches: (words) => a.matches(words) && b.matches(words),
    })),
    fc.tuple(tie("meaning"), tie("meaning")).map(([a, b]): Meaning => ({
      query: `(${a.query}|${b.query})`,
      matches: (words) => a.matches(words) || b.matches(words),
    })),
    tie("meaning").map((a): Meaning => ({
      query: `-${a.query}`,
      matches: (words) => !a.matches(words),
    })),
    fc
      .tuple(tie("meaning"), tie("meaning"))
      .map(([a, b]): Meaning => ({ query: `(${a.query} ~${b.query})`, matches: a.matches })),
  ),
}));

it("finds what and, or, not and optional mean", () => {
  const words = fc.uniqueArray(fc.constantFrom("red", "fox", "den", "owl"), { maxLength: 4 });
  fc.assert(
    fc.property(fc.array(words, { maxLength: 12 }), meaning, (documents, { query, matches }) => {
      const index = createSearchIndex({ schema: [{ fieldName: "t", type: "TEXT" }] });
      for (const [at, list] of documents.entries()) index.put(`${at}`, [["t", list.join(" ")]]);
      const found = index.search(query, { limit: { offset: 0, num: 100 } }).hits;
      const expected = documents.flatMap((list, at) => (matches(new Set(list)) ? [`${at}`] : []));
      return (
        JSON.stringify(found.map(({ id }) => id).toSorted()) === JSON.stringify(expected.toSorted())
      );
    }),
    { numRuns: RUNS * 4 },
  );
});
