import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import * as z from "zod";
import * as mini from "zod/mini";
import { validateChanged } from "../../../actors/scope/changed-part.ts";
import { copyIn } from "../../../actors/state/copy.ts";
import { createScope } from "../../../src/runtime/scope.ts";
import { propertyRuns } from "../../support/state-value.ts";

const item = z.object({ role: z.enum(["user", "bot"]), text: z.string().max(3).optional() });
const fields = {
  n: z.number().max(5),
  toString: z.string().default("s"),
  maybe: z.string().optional(),
  items: z.array(item).default([]),
  pair: z.tuple([z.number(), z.string()]).nullable().optional(),
  deep: z.object({ tags: z.array(z.string()), on: z.boolean().default(true) }).optional(),
};

const schemas: Readonly<Record<string, z.core.$ZodType>> = {
  plain: z.object(fields),
  strict: z.strictObject(fields),
  loose: z.looseObject(fields),
  refined: z.object(fields).refine((state) => state.n <= state.items.length),
  "with a limited list": z.object({ ...fields, items: z.array(item).max(1).default([]) }),
  "of zod/mini": mini.object({ n: mini.number(), items: mini.optional(mini.array(item)) }),
};

const text = fc.constantFrom("a", "b", "too long");
const items = fc.array(
  fc.record(
    { role: fc.constantFrom("user", "bot", "eve"), text: fc.oneof(text, fc.constant(undefined)) },
    { requiredKeys: ["role"] },
  ),
  { maxLength: 3 },
);
const states = fc.record(
  {
    n: fc.integer({ min: 0, max: 7 }),
    toString: text,
    maybe: fc.oneof(text, fc.constant(undefined), fc.constant(1)),
    items,
    pair: fc.constantFrom(null, [1, "a"], [1, 2], [1]),
    deep: fc.record({ tags: fc.array(text), on: fc.boolean() }, { requiredKeys: ["tags"] }),
    unknown: text,
  },
  { requiredKeys: ["n"] },
);

/** `before`, with fields that are the very same, another's, appended to, or gone. */
function changedBy(before: object, other: object, ways: Uint8Array): object {
  const value: Record<string, unknown> = { ...before };
  for (const [at, key] of [...Object.keys(fields), "unknown"].entries()) {
    const way = (ways[at] ?? 0) % 4;
    const [here, next]: unknown[] = [value[key], Reflect.get(other, key)];
    if (way === 1 && Object.hasOwn(other, key)) value[key] = next;
    if (way === 2) delete value[key];
    if (way === 3 && Array.isArray(here) && Array.isArray(next)) value[key] = [...here, ...next];
  }
  return value;
}

describe("validateChanged", () => {
  it.each(Object.keys(schemas))("D1: gives what the whole check gives: %s", (name) => {
    const schema = schemas[name];
    if (schema === undefined || !("~standard" in schema)) throw new Error("no schema");
    const standard = schema as z.core.$ZodType & z.ZodType;
    const whole = (state: unknown) => standard["~standard"].validate(state);
    let compared = 0;
    fc.assert(
      fc.property(states, states, fc.uint8Array({ maxLength: 7 }), (one, other, ways) => {
        const made = whole(one);
        if (made instanceof Promise || made.issues !== undefined) return;
        const before = { ...one, ...(made.value as object) };
        const value = changedBy(before, other, ways);
        compared += 1;
        expect(validateChanged(standard, before, value)).toEqual(whole(value));
      }),
      { numRuns: propertyRuns * 4 },
    );
    expect(compared).toBeGreaterThan(20);
  });

  it("checks an element that was added, and none beside a change", async () => {
    let checks = 0;
    const element = z.object({ text: z.string() }).refine(() => (checks += 1) > 0);
    const schema = z.object({ n: z.number(), list: z.array(element).default([]) });
    const list = Array.from({ length: 500 }, (_, at) => ({ text: `m${at}` }));
    const scope = createScope({ initial: { n: 0, list }, schema });
    checks = 0;
    await scope.incState({ n: 1 });
    expect(checks).toBe(0);
    await scope.pushState("list", { text: "one more" });
    expect(checks).toBe(1);
    await scope.update((state) => void (state.list[7] = { text: "other" }));
    expect(checks).toBe(2);
    await expect(scope.pushState("list", { text: 7 } as never)).rejects.toMatchObject({
      code: "STATE_INVALID",
      issues: [{ path: ["list", 501, "text"] }],
    });
  });

  it("copies no list in which nothing is filled in", () => {
    const schema = z.object({ list: z.array(z.object({ text: z.string() })) });
    const before = copyIn({ list: [{ text: "a" }] }, "");
    const value = copyIn({ list: [...before.list, { text: "b" }] }, "");
    const result = validateChanged(schema, before, value);
    expect(result).toHaveProperty("value", value);
    expect(Reflect.get(result, "value")).toBe(value);
    const other = copyIn({ list: value.list, unknown: 1 }, "");
    expect(validateChanged(schema, before, other)).toEqual({ value });
  });

  it("D2: checks whole what a class derived from zod's checks", () => {
    const before = copyIn({ a: 1, b: 1 }, "");
    const value = copyIn({ a: 2, b: 1 }, "");
    const checksOf = (isDerived: boolean): number => {
      let checks = 0;
      const watched = z.object({ a: z.number(), b: z.number().refine(() => (checks += 1) > 0) });
      const { traits } = Reflect.get(watched, "_zod");
      if (isDerived) traits.add("Derived");
      expect(validateChanged(watched, before, value)).toEqual({ value });
      return checks;
    };
    expect([checksOf(false), checksOf(true)]).toEqual([0, 1]);
  });
});
