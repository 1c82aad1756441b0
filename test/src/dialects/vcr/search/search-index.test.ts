import { describe, expect, it } from "vitest";
import { LIMIT_MAX } from "../../../../../src/dialects/vcr/search/limit.ts";
import type { SearchOptions } from "../../../../../src/dialects/vcr/search/option.ts";
import { toRaw } from "../../../../../src/dialects/vcr/search/result.ts";
import type { SearchDefinition } from "../../../../../src/dialects/vcr/search/schema.ts";
import {
  createSearchIndex,
  type SearchIndex,
} from "../../../../../src/dialects/vcr/search/search-index.ts";

type Documents = Record<string, Record<string, string>>;

function indexOf(definition: SearchDefinition, documents: Documents): SearchIndex {
  const index = createSearchIndex(definition);
  for (const [id, fields] of Object.entries(documents)) index.put(id, Object.entries(fields));
  return index;
}

function idsOf(index: SearchIndex, query: string, options?: SearchOptions): string[] {
  return index.search(query, options).hits.map(({ id }) => id);
}

function scoresOf(index: SearchIndex, query: string): Record<string, number> {
  const { hits } = index.search(query, { withScores: true });
  return Object.fromEntries(hits.map(({ id, score }) => [id, score ?? Number.NaN]));
}

function expectScores(received: Record<string, number>, expected: Record<string, number>): void {
  expect(Object.keys(received).toSorted()).toEqual(Object.keys(expected).toSorted());
  for (const [id, score] of Object.entries(expected)) expect(received[id]).toBeCloseTo(score, 6);
}

const TEXT: SearchDefinition = { schema: [{ fieldName: "t", type: "TEXT" }] };

// Lengths 2, 3 and 1, so 2 on average; "red" is in 2 of 3 documents, "fox" and "blue" in 1.
const ANIMALS = indexOf(TEXT, {
  a: { t: "red fox" },
  b: { t: "red red dog" },
  c: { t: "the blue" },
});

describe("scores", () => {
  it("are those worked out by hand", () => {
    // ln(1 + 2.5/1.5) × 2.2 / (1 + 1.2 × (0.25 + 0.75 × 2/2))
    expectScores(scoresOf(ANIMALS, "fox"), { a: 0.980_829_253 });
    // ln(1 + 1.5/2.5) times 1 for a, and times 2 × 2.2 / (2 + 1.2 × (0.25 + 0.75 × 3/2)) for b
    expectScores(scoresOf(ANIMALS, "red"), { a: 0.470_003_629, b: 0.566_579_718 });
    expectScores(scoresOf(ANIMALS, "red fox"), { a: 1.450_832_882 });
    expectScores(scoresOf(ANIMALS, "red|fox"), { a: 1.450_832_882, b: 0.566_579_718 });
    expectScores(scoresOf(ANIMALS, "red ~fox"), { a: 1.450_832_882, b: 0.566_579_718 });
    expectScores(scoresOf(ANIMALS, "red -fox"), { b: 0.566_579_718 });
    expectScores(scoresOf(ANIMALS, "*"), { a: 1, b: 0.830_188_679, c: 1.257_142_857 });
    expectScores(scoresOf(ANIMALS, "-fox"), { b: 0, c: 0 });
    expectScores(scoresOf(ANIMALS, "fox=>{$weight:3}"), { a: 2.942_487_759 });
    expectScores(scoresOf(ANIMALS, "(red fox)=>{$weight:2}"), { a: 2.901_665_764 });
  });

  it("count a word and its stem", () => {
    const index = indexOf(TEXT, { a: { t: "running" }, b: { t: "run" } });
    // Each of the two words is in 1 of 2 documents: ln 2. "running" itself and as a form of "run".
    expectScores(scoresOf(index, "running"), { a: 2 * Math.LN2, b: Math.LN2 });
    expectScores(scoresOf(index, "run"), { a: Math.LN2, b: Math.LN2 });
    expectScores(scoresOf(index, '"running"'), { a: Math.LN2 });
  });

  it("count the best of many expansions", () => {
    const index = indexOf(TEXT, { a: { t: "alpha alps" }, b: { t: "alpha beta" } });
    expectScores(scoresOf(index, "al*"), { a: Math.LN2, b: Math.log(1.2) });
  });

  it("weigh fields and documents", () => {
    const definition: SearchDefinition = {
      schema: [
        { fieldName: "t", type: "TEXT", weight: 3 },
        { fieldName: "u", type: "TEXT" },
      ],
      scoreField: "sc",
    };
    const index = indexOf(definition, { a: { t: "fox", sc: "0.5" }, b: { u: "fox" } });
    // Weighted lengths 3 and 1, 2 on average; idf ln 1.2; counts 3 and 1.
    expectScores(scoresOf(index, "fox"), {
      a: (0.5 * Math.log(1.2) * 6.6) / (3 + 1.2 * (0.25 + 0.75 * 1.5)),
      b: (Math.log(1.2) * 2.2) / (1 + 1.2 * (0.25 + 0.75 * 0.5)),
    });
  });

  it("give 0 for numbers and places, and a count of 1 for tags", () => {
    const index = indexOf(
      {
        schema: [
          { fieldName: "g", type: "TAG" },
          { fieldName: "n", type: "NUMERIC" },
        ],
      },
      { a: { g: "x,x", n: "1" }, b: { g: "y", n: "1" } },
    );
    expectScores(scoresOf(index, "@n:[1]"), { a: 0, b: 0 });
    // No text, so no length: ln 2 × 2.2 / (1 + 0.3)
    expectScores(scoresOf(index, "@g:{x}"), { a: (Math.LN2 * 2.2) / 1.3 });
  });

  it("order hits, equal ones by the latest write", () => {
    const index = indexOf(TEXT, { a: { t: "fox" }, b: { t: "fox" }, c: { t: "fox fox" } });
    expect(idsOf(index, "fox")).toEqual(["c", "a", "b"]);
    index.put("a", [["t", "fox"]]);
    expect(idsOf(index, "fox")).toEqual(["c", "b", "a"]);
  });
});

describe("text", () => {
  const index = indexOf(
    {
      schema: [
        { fieldName: "title", type: "TEXT" },
        { fieldName: "body", type: "TEXT", noStem: true },
      ],
    },
    {
      a: { title: "The Quick Fox", body: "jumps over the lazy dog" },
      b: { title: "quick thinking", body: "a slow fox, jumping" },
      c: { title: "dog days", body: "line one\nline two" },
    },
  );

  it.each([
    ["fox", "a b"],
    ["FOX", "a b"],
    ["@title:fox", "a"],
    ["@title|body:fox", "a b"],
    ["@title:(quick -fox)", "b"],
    ["@title:fox @body:dog", "a"],
    ["the", ""],
    ["the fox", "a b"],
    ["-the", ""],
    ['"quick fox"', "a"],
    ['"fox quick"', ""],
    ['"over lazy"', "a"],
    ['"over the lazy"', ""],
    ['"fox jumps"', ""],
    ["days", "c"],
    ["day", "c"],
    ["think", "b"],
    ["@body:jump", ""],
    ["@body:jumps", "a"],
    ["jum*", "a b"],
    ["j*", ""],
    ["*zy", "a"],
    ["*ki*", "b"],
    ["w'?o?'", "a b c"],
    ["%dig%", "a c"],
    ["%%odg%%", "a c"],
    ["%odg%", ""],
    ["oneline", ""],
    ["one", "c"],
    ["constructor", ""],
    ["@title:(@body:fox)", ""],
    ["", ""],
  ])("%j finds %j", (query, expected) => {
    expect(idsOf(index, query).toSorted().join(" ")).toBe(expected);
  });

  it("reads words as they are when verbatim", () => {
    expect(idsOf(index, "day", { verbatim: true })).toEqual([]);
    expect(idsOf(index, "days", { verbatim: true })).toEqual(["c"]);
  });

  it("keeps stop words of the query when asked", () => {
    expect(idsOf(index, "the fox", { noStopwords: true })).toEqual([]);
  });

  it("looks only in the fields named", () => {
    expect(idsOf(index, "fox", { inFields: ["body"] })).toEqual(["b"]);
    expect(idsOf(index, "@title:fox", { inFields: ["body"] })).toEqual([]);
    expect(idsOf(index, "fox", { inFields: ["nope", "__proto__"] })).toEqual([]);
  });

  it("binds parameters as one term each", () => {
    const params = new Map([
      ["n", "Fox"],
      ["two", "quick fox"],
    ]);
    expect(idsOf(index, "@title:$n", { params })).toEqual(["a"]);
    expect(idsOf(index, "$two", { params })).toEqual([]);
  });

  it("takes other stop words and languages", () => {
    const other = indexOf(
      { ...TEXT, stopwords: ["Fox"], language: "German", languageField: "lang" },
      { a: { t: "the fox Häuser" }, b: { t: "houses", lang: "english" } },
    );
    expect(idsOf(other, "the")).toEqual(["a"]);
    expect(idsOf(other, "fox")).toEqual([]);
    expect(idsOf(other, "häus")).toEqual(["a"]);
    expect(idsOf(other, "house", { language: "english" })).toEqual(["b"]);
    expect(() => other.search("a", { language: "klingon" })).toThrow(
      expect.objectContaining({ code: "BAD_OPTION" }),
    );
  });
});

describe("nearness", () => {
  const index = indexOf(
    {
      schema: [
        { fieldName: "t", type: "TEXT" },
        { fieldName: "u", type: "TEXT" },
      ],
    },
    {
      a: { t: "red one two blue" },
      b: { t: "blue reds" },
      c: { t: "red", u: "blue" },
      d: { t: "blue red one blue" },
    },
  );

  it.each<[string, SearchOptions, string]>([
    ["red blue", {}, "a b c d"],
    ["red blue", { slop: 2 }, "a b d"],
    ["red blue", { slop: 1 }, "b d"],
    ["red blue", { slop: 0 }, "b d"],
    ["red blue", { slop: 0, inOrder: true }, ""],
    ["red blue", { slop: 1, inOrder: true }, "d"],
    ["red blue", { inOrder: true }, "a d"],
    ["(red blue)=>{$slop:1;$inorder:true}", {}, "d"],
    ["red (blue|two)", { slop: 0, inOrder: true }, ""],
    ["one (blue|two)", { slop: 0, inOrder: true }, "a d"],
    ["red blue", { slop: 1e12 }, "a b d"],
  ])("%j with %j finds %j", (query, options, expected) => {
    expect(idsOf(index, query, options).toSorted().join(" ")).toBe(expected);
  });
});

describe("tags, numbers and places", () => {
  const index = indexOf(
    {
      schema: [
        { fieldName: "g", type: "TAG" },
        { fieldName: "g", alias: "semi", type: "TAG", separator: ";", caseSensitive: true },
        { fieldName: "n", type: "NUMERIC" },
        { fieldName: "loc", type: "GEO" },
        { fieldName: "t", type: "TEXT", alias: "text" },
      ],
    },
    {
      a: { g: "red, Blue Sky", n: "1", loc: "-0.1276,51.5072", t: "x" },
      b: { g: "Red;green", n: "2.5", loc: "2.3522,48.8566" },
      c: { g: "c.d", n: "-inf" },
      d: { g: " , ", n: "3", loc: "179.9,0" },
      e: { n: "10", loc: "-179.9,0" },
    },
  );

  it.each([
    ["@g:{red}", "a"],
    ["@g:{RED | c\\.d}", "a c"],
    ["@g:{blue sky}", "a"],
    ["@g:{re*}", "a b"],
    ["@g:{*green}", "b"],
    ["@semi:{Red}", "b"],
    ["@semi:{red}", ""],
    ["-@g:{red}", "b c d e"],
    ["@n:[1 3]", "a b d"],
    ["@n:[(1 3]", "b d"],
    ["@n:[1 (3]", "a b"],
    ["@n:[-inf 1]", "a c"],
    ["@n:[3 inf]", "d e"],
    ["@n:[2.5]", "b"],
    ["@n:[4 9]", ""],
    ["@loc:[-0.1 51.5 50 km]", "a"],
    ["@loc:[-0.1 51.5 500 km]", "a b"],
    ["@loc:[-0.1 51.5 5 mi]", "a"],
    ["@loc:[180 0 12 km]", "d e"],
    ["@text:x", "a"],
  ])("%j finds %j", (query, expected) => {
    expect(idsOf(index, query).toSorted().join(" ")).toBe(expected);
  });

  it.each([
    ["@nope:x", "UNKNOWN_FIELD", 1],
    ["@TEXT:x", "UNKNOWN_FIELD", 1],
    ["@t:x", "UNKNOWN_FIELD", 1],
    ["a @g:x", "FIELD_TYPE", 3],
    ["@text:{x}", "FIELD_TYPE", 1],
    ["@g:[1 2]", "FIELD_TYPE", 1],
    ["@n:[1 2 3 km]", "FIELD_TYPE", 1],
    ["@loc:[200 0 1 km]", "BAD_RANGE", 0],
    ["@loc:[0 0 -1 km]", "BAD_RANGE", 0],
  ])("%j is refused with %s at %i", (query, code, offset) => {
    expect(() => index.search(query)).toThrow(expect.objectContaining({ code, offset }));
  });

  it("narrow by filters and keys", () => {
    const filter = { numericField: "n", min: 1, max: 3 };
    const within = (
      change: Partial<typeof filter> & { exclusiveMin?: true; exclusiveMax?: true },
    ) =>
      idsOf(index, "*", { filters: [{ ...filter, ...change }] })
        .toSorted()
        .join(" ");
    expect(within({})).toBe("a b d");
    expect(within({ exclusiveMin: true })).toBe("b d");
    expect(within({ exclusiveMax: true })).toBe("a b");
    expect(within({ min: 2, max: Infinity })).toBe("b d e");
    expect(within({ min: -Infinity, exclusiveMin: true })).toBe("a b d");
    const near = { geoField: "loc", lon: 2.35, lat: 48.85, radius: 5000, unit: "M" };
    expect(idsOf(index, "*", { geoFilters: [near] })).toEqual(["b"]);
    expect(idsOf(index, "*", { inKeys: ["d", "a", "nope", "a"] }).toSorted()).toEqual(["a", "d"]);
    expect(idsOf(index, "*", { inKeys: [] })).toEqual([]);
    expect(idsOf(index, "@g:{red}", { filters: [filter], inKeys: ["a"] })).toEqual(["a"]);
  });

  it.each<[SearchOptions, string]>([
    [{ filters: [{ numericField: "nope", min: 0, max: 1 }] }, "UNKNOWN_FIELD"],
    [{ filters: [{ numericField: "g", min: 0, max: 1 }] }, "FIELD_TYPE"],
    [{ filters: [{ numericField: "n", min: 2, max: 1 }] }, "BAD_RANGE"],
    [{ filters: [{ numericField: "n", min: Number.NaN, max: 1 }] }, "BAD_RANGE"],
    [{ geoFilters: [{ geoField: "loc", lon: 0, lat: 0, radius: 1, unit: "au" }] }, "BAD_RANGE"],
    [{ sortBy: { field: "nope" } }, "UNKNOWN_FIELD"],
    [{ limit: { offset: -1, num: 1 } }, "BAD_OPTION"],
    [{ limit: { offset: 0, num: LIMIT_MAX + 1 } }, "BAD_OPTION"],
    [{ limit: { offset: 3, num: 0 } }, "BAD_OPTION"],
  ])("options %j are refused with %s", (options, code) => {
    expect(() => index.search("*", options)).toThrow(expect.objectContaining({ code }));
  });
});

describe("writes", () => {
  const definition: SearchDefinition = {
    schema: [
      { fieldName: "t", type: "TEXT" },
      { fieldName: "n", type: "NUMERIC" },
      { fieldName: "loc", type: "GEO" },
    ],
  };

  it("are seen by the next search", () => {
    const index = createSearchIndex(definition);
    expect(index.put("a", [["t", "old"]])).toBeUndefined();
    expect(idsOf(index, "old")).toEqual(["a"]);
    index.put("a", [["t", "new"]]);
    expect(idsOf(index, "old")).toEqual([]);
    expect(idsOf(index, "ne*")).toEqual(["a"]);
    expect(index.delete("a")).toBe(true);
    expect(index.delete("a")).toBe(false);
    expect(idsOf(index, "new|ne*|*w")).toEqual([]);
    expect(index.size).toBe(0);
  });

  it("tell why a document is left out, and take its old form away", () => {
    const index = createSearchIndex({ ...definition, filter: "@n<13 || @t=='lucky'" });
    const left = (fields: Record<string, string>) => index.put("a", Object.entries(fields));
    expect(left({ t: "x", n: "1" })).toBeUndefined();
    expect(left({ t: "lucky", n: "many" })).toEqual({ field: "n" });
    expect(index.size).toBe(0);
    expect(left({ t: "lucky", loc: "0,99" })).toEqual({ field: "loc" });
    expect(left({ t: "x", n: "13" })).toEqual({ filter: true });
    expect(left({ t: "lucky", n: "13" })).toBeUndefined();
    expect(idsOf(index, "@n:[13]")).toEqual(["a"]);
  });

  it("refuse a value that is not text and keep the old document", () => {
    const index = createSearchIndex(definition);
    index.put("a", [["t", "old"]]);
    // The type system keeps TypeScript callers from this; plain JavaScript ones get the error.
    const wrong = [["t", 5]] as unknown as [string, string][];
    expect(() => index.put("a", wrong)).toThrow(TypeError);
    expect(idsOf(index, "old")).toEqual(["a"]);
  });

  it("take any names as ordinary", () => {
    const index = createSearchIndex({
      schema: [{ fieldName: "__proto__", type: "TEXT" }],
    });
    const entries: [string, string][] = [["__proto__", "constructor __proto__"]];
    index.put("__proto__", entries);
    const [hit] = index.search("@__proto__:constructor").hits;
    expect(hit?.id).toBe("__proto__");
    expect(Object.entries(hit?.fields ?? {})).toEqual(entries);
    expect(idsOf(index, "toString")).toEqual([]);
  });
});

describe("results", () => {
  const index = indexOf(
    {
      schema: [
        { fieldName: "name", type: "TEXT", sortable: true },
        { fieldName: "count", type: "NUMERIC", sortable: true },
      ],
      payloadField: "load",
    },
    {
      u1: { name: "Ann", count: "3", load: "p" },
      u2: { name: "bob", count: "10", extra: "ann" },
      u3: { name: "Ann Lee", count: "7" },
      u4: { name: "Zed" },
    },
  );

  it("are sorted by a field, those without it last", () => {
    const by = (field: string, order?: "ASC" | "DESC") =>
      idsOf(index, "*", { sortBy: { field, ...(order && { order }) } }).join(" ");
    expect(by("count")).toBe("u1 u3 u2 u4");
    expect(by("count", "DESC")).toBe("u2 u3 u1 u4");
    expect(by("name")).toBe("u1 u3 u2 u4");
    expect(by("name", "DESC")).toBe("u4 u2 u3 u1");
  });

  it("come in pages and with the total", () => {
    const page = (offset: number, num: number) => {
      const { total, hits } = index.search("*", {
        sortBy: { field: "count" },
        limit: { offset, num },
      });
      return `${total} ${hits.map(({ id }) => id).join(" ")}`;
    };
    expect(page(0, 2)).toBe("4 u1 u3");
    expect(page(2, 2)).toBe("4 u2 u4");
    expect(page(4, 2)).toBe("4 ");
    expect(page(0, 0)).toBe("4 ");
  });

  it("are ten when no limit is named", () => {
    const many = indexOf(
      TEXT,
      Object.fromEntries(Array.from({ length: 15 }, (_, number) => [`d${number}`, { t: "x" }])),
    );
    expect(many.search("x").hits).toHaveLength(10);
    expect(many.search("x").total).toBe(15);
  });

  it("hold what was asked for", () => {
    const first = (options: SearchOptions) => index.search("@name:ann", options).hits[0];
    const fields = { name: "Ann", count: "3", load: "p" };
    expect(first({})).toEqual({ id: "u1", fields });
    expect(first({ noContent: true })).toEqual({ id: "u1" });
    expect(first({ returnFields: [] })).toEqual({ id: "u1" });
    const returnFields = [
      { identifier: "count", property: "c" },
      { identifier: "nope" },
      { identifier: "name" },
    ];
    expect(first({ returnFields })).toEqual({ id: "u1", fields: { c: "3", name: "Ann" } });
    expect(
      first({
        noContent: true,
        withSortKeys: true,
        withPayloads: true,
        sortBy: { field: "count" },
      }),
    ).toEqual({ id: "u1", payload: "p", sortKey: "#3" });
    expect(first({ noContent: true, withSortKeys: true, sortBy: { field: "name" } })).toEqual({
      id: "u1",
      sortKey: "$ann",
    });
  });

  it("have a wire form with the sort field first and scores as text", () => {
    const result = index.search("@name:ann", {
      withScores: true,
      withPayloads: true,
      withSortKeys: true,
      sortBy: { field: "count", order: "DESC" },
      limit: { offset: 0, num: 1 },
    });
    const score = result.hits[0]?.score;
    expect(score).toBeGreaterThan(0);
    expect(toRaw(result)).toEqual([
      2,
      "u3",
      String(score),
      null,
      "#7",
      ["count", "7", "name", "Ann Lee"],
    ]);
    expect(toRaw(index.search("nobody"))).toEqual([0]);
  });
});

describe("excerpts", () => {
  const text = "Runs, run and running; they do not walk. Far away someone else was running home";
  const index = indexOf(
    {
      schema: [
        { fieldName: "t", type: "TEXT" },
        { fieldName: "u", type: "TEXT" },
        { fieldName: "g", type: "TAG" },
      ],
    },
    { a: { t: text, u: "a runner's run", g: "run" } },
  );
  const fieldsOf = (query: string, options: SearchOptions) =>
    index.search(query, options).hits[0]?.fields;

  it("mark every form of a word in text fields", () => {
    expect(fieldsOf("running", { highlight: {} })).toEqual({
      t:
        "<b>Runs</b>, <b>run</b> and <b>running</b>; they do not walk. " +
        "Far away someone else was <b>running</b> home",
      u: "a runner's <b>run</b>",
      g: "run",
    });
  });

  it("mark with other tags, in the fields named, what must be there only", () => {
    const highlight = { fields: ["u"], tags: { open: "[", close: "]" } };
    expect(fieldsOf("run* -nobody @g:{run}", { highlight, verbatim: true })).toEqual({
      t: text,
      u: "a [runner]'s [run]",
      g: "run",
    });
  });

  it("cut text around the matches", () => {
    const summarize = { fields: ["t"], frags: 2, len: 3, separator: " | " };
    expect(fieldsOf("running", { summarize, verbatim: true })?.["t"]).toBe(
      "running; they do | was running home | ",
    );
    expect(fieldsOf("@g:{run}", { summarize })?.["t"]).toBe("Runs, run and | ");
    expect(fieldsOf("running", { summarize, highlight: {}, verbatim: true })?.["t"]).toBe(
      "<b>running</b>; they do | was <b>running</b> home | ",
    );
  });
});
