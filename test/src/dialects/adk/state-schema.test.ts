/** `State` with a schema: what it refuses, and that a refused write writes nothing. */
import { State as KitState } from "@google/adk";
import { describe, expect, it } from "vitest";
import * as z from "zod";
import { State, StateSchemaError, type StateSchema } from "../../../../src/adk.ts";

const fields = { n: z.int(), name: z.string().optional(), tags: z.array(z.string()) };
const kitSchema = {
  type: "OBJECT",
  properties: {
    n: { type: "INTEGER" },
    name: { type: "STRING", nullable: true },
    tags: { type: "ARRAY", items: { type: "STRING" } },
  },
};

describe.each<{ name: string; schema: StateSchema }>([
  { name: "a schema for each key", schema: fields },
  { name: "a schema of an object", schema: z.object(fields) },
  { name: "the kit's own schema", schema: kitSchema },
])("a State with $name", ({ schema }) => {
  it("refuses a value and a key that the schema does not take, in words of the original", () => {
    const [value, delta] = [{}, {}];
    const state = new State(value, delta, schema);
    const kit = new KitState({}, {}, z.object(fields));
    expect(() => state.set("n", "one")).toThrow(StateSchemaError);
    expect(() => state.set("n", "one")).toThrow(
      /^Value for 'n' does not match the type declared in the state schema: ./,
    );
    const undeclared = `Key 'm' is not declared in the state schema. Declared fields: `;
    for (const each of [state, kit])
      expect(() => each.set("m", 1)).toThrow(`${undeclared}["n","name","tags"]`);
    expect(() => state.set("tags", ["a", 1])).toThrow(StateSchemaError);
    expect([value, delta]).toEqual([{}, {}]);
    state.set("n", 1);
    state.set("tags", ["a"]);
    expect([value, delta]).toEqual(["value", "delta"].map(() => ({ n: 1, tags: ["a"] })));
  });

  it("writes all keys of an update or none", () => {
    const [value, delta] = [{ n: 1 }, {}];
    const state = new State(value, delta, schema);
    for (const bad of [{ n: "two" }, { m: 2 }, { tags: [2] }]) {
      const changes = { name: "ann", "user:x": 1, ...bad };
      expect(() => state.update(changes)).toThrow(StateSchemaError);
      expect(() => state.validateDelta(changes)).toThrow(StateSchemaError);
      expect([value, delta, state.hasDelta()]).toEqual([{ n: 1 }, {}, false]);
    }
    state.validateDelta({ n: 2 });
    expect(delta).toEqual({});
    state.update({ n: 2, name: "ann", "user:x": 1 });
    expect(delta).toEqual({ n: 2, name: "ann", "user:x": 1 });
  });

  it("takes keys of wider scopes, and deletions of declared keys", () => {
    const state = new State({ n: 1, old: 1 }, {}, schema);
    state.update({ "app:x": 1, "temp:y": 2, "other:z": 3 });
    state.set("n", undefined);
    expect(() => state.set("typo", undefined)).toThrow(StateSchemaError);
    expect(state.delete("old")).toBe(true);
    expect(state.getAll()).toEqual({ "app:x": 1, "temp:y": 2, "other:z": 3 });
  });
});

describe("StateSchemaError", () => {
  it("is a TypeError that names the key, never the value", () => {
    const state = new State({}, {}, fields);
    try {
      state.set("n", "secret");
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(TypeError);
      expect(error).toMatchObject({ name: "StateSchemaError", code: "STATE_SCHEMA", key: "n" });
      expect(String(error)).not.toContain("secret");
    }
  });
});

describe("a schema of a state", () => {
  it("may not change what it is given, and may not be asynchronous", () => {
    const state = new State(
      {},
      {},
      { a: z.coerce.number(), b: z.string().refine(async () => true) },
    );
    expect(() => state.set("a", "5")).toThrow("the schema changes this value");
    expect(() => state.set("b", "x")).toThrow("an asynchronous schema cannot check a state");
    expect(state.getAll()).toEqual({});
    state.set("a", 5);
  });

  it("must show the keys it declares", () => {
    const bad: unknown[] = [z.string(), 1, "x", [z.string()], { a: 1 }, { type: "OBJECT" }];
    for (const schema of bad)
      expect(() => new State({}, {}, schema as StateSchema)).toThrow(
        expect.objectContaining({ code: "STATE_TYPE" }),
      );
    expect(() => new State({}, {}, {}).set("a", 1)).toThrow("Declared fields: []");
  });

  it.each<{ schema: object; good: unknown[]; bad: unknown[] }>([
    { schema: { type: "NUMBER", minimum: 1, maximum: 2 }, good: [1, 1.5], bad: [0, 3, "1", NaN] },
    { schema: { type: "INTEGER", enum: ["1", "2"] }, good: [1, 2], bad: [3, 1.5] },
    { schema: { type: "STRING", enum: ["a", "b"] }, good: ["a"], bad: ["c", null] },
    { schema: { type: "STRING", minLength: "2", pattern: "^a" }, good: ["ab"], bad: ["a", "bb"] },
    { schema: { type: "BOOLEAN", nullable: true }, good: [true, null], bad: [0] },
    { schema: { type: "ARRAY", items: {}, maxItems: 1 }, good: [[], [1]], bad: [[1, 2], {}] },
    { schema: { anyOf: [{ type: "STRING" }, { type: "NULL" }] }, good: ["a", null], bad: [1] },
    {
      schema: {
        type: "OBJECT",
        properties: { a: { type: "OBJECT", properties: { b: { type: "STRING" } } } },
        required: ["a"],
      },
      good: [{ a: {} }, { a: { b: "x" }, c: 1 }],
      bad: [{}, { a: { b: 1 } }, []],
    },
    { schema: {}, good: [1, "a", null, {}], bad: [] },
  ])("of the kit's kind takes what the original takes: $schema", ({ schema, good, bad }) => {
    const whole = { type: "OBJECT", properties: { a: schema } };
    const take = (value: unknown): boolean[] =>
      // The original's type is an enum of the same texts.
      [new State({}, {}, whole), new KitState({}, {}, whole as never)].map((state) => {
        try {
          state.set("a", value);
          return true;
        } catch (error) {
          expect(error).toMatchObject({ name: "StateSchemaError" });
          return false;
        }
      });
    for (const value of good) expect(take(value)).toEqual([true, true]);
    for (const value of bad) expect(take(value)).toEqual([false, false]);
  });
});
