/** Schemas that change what they are given. */
import { describe, expect, it } from "vitest";
import * as z from "zod";
import type { StateSchema } from "../../../actors/scope/validation.ts";
import { createRuntime, createScope, defineKind, memoryStore } from "../../../src/index.ts";

/** A schema of no library. */
function handMade(make: (given: Readonly<Record<string, unknown>>) => object): StateSchema {
  const validate = (given: unknown): { value: object } => ({
    value: make(given as Record<string, unknown>),
  });
  return { "~standard": { version: 1, vendor: "test", validate } };
}

interface Box {
  readonly box: { text: string; n?: number; extra?: number };
}

/** Writes in a clone, as arktype does: its fields are as frozen as those of its source. */
function likeArktype(write: (copy: Box["box"]) => void): StateSchema {
  const clone = (given: object): object =>
    Object.create(Object.prototype, Object.getOwnPropertyDescriptors(given)) as object;
  const validate = (given: unknown): { value: object } => {
    const { box } = given as Box;
    const made = clone(box) as Box["box"];
    write(made);
    return { value: { ...(given as Box), box: made } };
  };
  return { "~standard": { version: 1, vendor: "arktype", validate } };
}

interface Case {
  readonly schema: StateSchema;
  readonly given: object;
  readonly path: readonly PropertyKey[];
}

const tags = z.array(z.string());
const transforming: Readonly<Record<string, Case>> = {
  transform: {
    schema: z.object({ n: z.string().transform(Number) }),
    given: { n: "5" },
    path: ["n"],
  },
  "a default that is transformed": {
    schema: z.object({ n: z.string().default("5").transform(Number) }),
    given: {},
    path: ["n"],
  },
  "a prefault that is transformed": {
    schema: z.object({ n: z.string().prefault("5").transform(Number) }),
    given: {},
    path: ["n"],
  },
  preprocess: {
    schema: z.object({ tags: z.preprocess((given) => given ?? [], tags) }),
    given: { tags: null },
    path: ["tags"],
  },
  coerce: { schema: z.object({ n: z.coerce.number() }), given: { n: "5" }, path: ["n"] },
  "coerce of a date": {
    schema: z.object({ at: z.coerce.date() }),
    given: { at: "2020-01-01" },
    path: ["at"],
  },
  catch: { schema: z.object({ n: z.number().catch(0) }), given: { n: "x" }, path: ["n"] },
  trim: { schema: z.object({ s: z.string().trim() }), given: { s: " x " }, path: ["s"] },
  "in a list": {
    schema: z.object({ l: z.array(z.object({ s: z.string().toLowerCase() })) }),
    given: { l: [{ s: "x" }, { s: "X" }] },
    path: ["l", 1, "s"],
  },
  "in a map": {
    schema: z.object({ m: z.map(z.string(), z.string().toLowerCase()) }),
    given: { m: new Map([["a", "X"]]) },
    path: ["m", 0],
  },
  "in a set": {
    schema: z.object({ m: z.set(z.string().toLowerCase()) }),
    given: { m: new Set(["X"]) },
    path: ["m", 0],
  },
  "of keys": {
    schema: z.object({ r: z.record(z.string().toLowerCase(), z.number()) }),
    given: { r: { A: 1 } },
    path: ["r"],
  },
  "of a list's length": {
    schema: z.object({ l: tags.transform((l) => l.slice(1)) }),
    given: { l: ["a"] },
    path: ["l"],
  },
  "that adds at each pass": {
    schema: z.object({ l: tags.transform((l) => [...l, "x"]) }),
    given: { l: ["a"] },
    path: ["l"],
  },
  "that counts": {
    schema: handMade(({ n }) => ({ n: typeof n === "number" ? n + 1 : 1 })),
    given: {},
    path: ["n"],
  },
  "in a clone that is frozen": {
    schema: likeArktype((copy) => {
      copy.text = copy.text.trim();
    }),
    given: { box: { text: " x " } },
    path: ["box", "text"],
  },
  "of the whole": { schema: handMade(() => []), given: {}, path: [] },
  "that renames": {
    schema: z.object({ a: z.number() }).transform(({ a }) => ({ b: a })),
    given: { a: 1 },
    path: ["b"],
  },
};
const invalid = (path: readonly PropertyKey[]): unknown =>
  expect.objectContaining({ code: "STATE_INVALID", issues: [expect.objectContaining({ path })] });

describe("a schema that changes what it is given", () => {
  it.each(Object.entries(transforming))("is refused at creation: %s", (_name, each) => {
    const { schema, given, path } = each;
    expect(() => createScope({ initial: given, schema })).toThrow(
      expect.objectContaining({ code: "STATE_INVALID" }),
    );
    // What is wrong with a transformed default shows when it is checked once more.
    expect(() => createScope({ initial: given, schema })).toThrow(invalid(path));
    const kinds = { thing: defineKind({ initial: given, schema }) };
    expect(() => createRuntime({ kinds })).toThrow(invalid(path));
  });

  const upper = z.object({ s: z.string().toUpperCase().default("X"), n: z.number().default(0) });

  it("is refused at the first write it would change, with nothing of it applied", async () => {
    const scope = createScope<z.output<typeof upper>>({ initial: {} as never, schema: upper });
    const written = scope.patchState({ s: "small", n: 1 });
    await expect(written).rejects.toEqual(invalid(["s"]));
    const made = scope.update((draft) => {
      draft.n = 1;
      draft.s = "small";
    });
    await expect(made).rejects.toEqual(invalid(["s"]));
    expect([scope.state, scope.version]).toEqual([{ s: "X", n: 0 }, 0]);
    await expect(scope.patchState({ s: "LARGE" })).resolves.toBe(true);
  });

  it("is refused at the first load it would change, and leaves the record", async () => {
    const store = memoryStore();
    const free = createRuntime({ store, kinds: { thing: defineKind() } });
    await (await free.open("thing", "t")).setState({ s: "small" });
    const strict = createRuntime({ store, kinds: { thing: defineKind({ schema: upper }) } });
    await expect(strict.open("thing", "t")).rejects.toEqual(invalid(["s"]));
    await expect((await free.open("thing", "t")).read()).resolves.toEqual({ s: "small" });
    await Promise.all([free.close(), strict.close()]);
  });

  it("is refused when a field it makes of others would no longer fit", async () => {
    const schema = handMade((given) => ({ ...given, both: [given["a"], given["b"]].join(" ") }));
    const scope = createScope<Record<string, string>>({
      initial: { a: "1", b: "2" },
      schema: schema as StateSchema<Record<string, string>>,
    });
    await expect(scope.patchState({ a: "3" })).rejects.toEqual(invalid(["both"]));
    expect(scope.state).toEqual({ a: "1", b: "2", both: "1 2" });
  });
});

describe("a schema that fills in", () => {
  const filling: Readonly<Record<string, readonly [StateSchema, object, object]>> = {
    "keeps what it leaves out": [
      z.object({ n: z.number().default(1), o: z.object({}).default({}) }),
      { extra: 1, o: { more: [1] } },
      { n: 1, extra: 1, o: { more: [1] } },
    ],
    "fills defaults in defaults": [
      z.object({
        o: z
          .object({ a: z.object({ b: z.number().default(2) }).default({} as never) })
          .default({} as never),
      }),
      {},
      { o: { a: { b: 2 } } },
    ],
    "fills in lists, tuples and maps": [
      z.object({
        l: z.array(z.object({ x: z.number().default(3) })),
        m: z.map(z.string(), z.object({ x: z.number().default(3) })),
      }),
      { l: [{}], m: new Map([["a", {}]]) },
      { l: [{ x: 3 }], m: new Map([["a", { x: 3 }]]) },
    ],
    "makes a value for what is missing": [
      z.object({ l: z.preprocess((given) => given ?? [], tags), n: z.coerce.number().default(2) }),
      { n: 5 },
      { l: [], n: 5 },
    ],
    "takes dates, bytes and sets as they are": [
      z.object({ at: z.date(), set: z.set(z.number()), bytes: z.instanceof(Uint8Array) }),
      { at: new Date(5), set: new Set([1]), bytes: Uint8Array.of(1) },
      { at: new Date(5), set: new Set([1]), bytes: Uint8Array.of(1) },
    ],
    "in a clone that is frozen": [
      likeArktype((copy) => {
        copy.n ??= 3;
        delete copy.extra;
      }),
      { box: { text: "a", extra: 1 } },
      { box: { text: "a", n: 3, extra: 1 } },
    ],
    "of no library": [handMade((given) => ({ n: 1, ...given })), { a: 1 }, { n: 1, a: 1 }],
  };
  it.each(Object.entries(filling))("%s", (_name, [schema, initial, state]) => {
    expect(createScope({ initial, schema }).state).toEqual(state);
  });
});
