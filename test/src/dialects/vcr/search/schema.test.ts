import { describe, expect, it } from "vitest";
import { TEXT_FIELDS_MAX } from "../../../../../src/dialects/vcr/search/limit.ts";
import {
  compileSchema,
  type SearchDefinition,
} from "../../../../../src/dialects/vcr/search/schema.ts";

const text = { fieldName: "t", type: "TEXT" } as const;

function manyFields(count: number): SearchDefinition["schema"] {
  return Array.from({ length: count }, (_, at) => ({ fieldName: `t${at}`, type: "TEXT" }));
}

describe("compileSchema", () => {
  it("numbers the text fields and fills in the defaults", () => {
    const { fields, textFields, stopWords } = compileSchema({
      schema: [{ fieldName: "g", type: "TAG", alias: "tag" }, text, { ...text, alias: "u" }],
    });
    expect([...fields.keys()]).toEqual(["tag", "t", "u"]);
    expect(textFields.map(({ ordinal }) => ordinal)).toEqual([0, 1]);
    expect(fields.get("tag")).toMatchObject({ fieldName: "g", separator: ",", ordinal: -1 });
    expect(stopWords.size).toBe(33);
  });

  it.each<[string, SearchDefinition]>([
    ["no field", { schema: [] }],
    ["a field twice", { schema: [text, text] }],
    ["a negative weight", { schema: [{ ...text, weight: -1 }] }],
    ["a weight that is no number", { schema: [{ ...text, weight: Number.NaN }] }],
    ["a long separator", { schema: [{ fieldName: "g", type: "TAG", separator: "ab" }] }],
    ["a score above 1", { schema: [text], score: 5 }],
    ["a language not known", { schema: [text], language: "klingon" }],
    ["too many text fields", { schema: manyFields(TEXT_FIELDS_MAX + 1) }],
  ])("refuses %s", (_what, definition) => {
    expect(() => compileSchema(definition)).toThrow(
      expect.objectContaining({ code: "BAD_SCHEMA" }),
    );
  });

  it.each(["VECTOR", "GEOSHAPE", "__proto__"])("refuses the type %s", (type) => {
    const definition = { schema: [{ fieldName: "v", type }] };
    // The type system keeps TypeScript callers from this; plain JavaScript ones get the error.
    expect(() => compileSchema(definition as unknown as SearchDefinition)).toThrow(
      expect.objectContaining({ code: "BAD_SCHEMA" }),
    );
  });

  it("takes as many text fields as a position can name", () => {
    const { textFields } = compileSchema({ schema: manyFields(TEXT_FIELDS_MAX) });
    expect(textFields.at(-1)?.ordinal).toBe(TEXT_FIELDS_MAX - 1);
  });
});
