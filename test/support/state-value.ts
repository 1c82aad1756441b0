/** Generators of what a state may hold, for the property tests. */
import * as fc from "fast-check";

/** How many cases a property runs; nightly runs go further. */
export const propertyRuns: number = process.env["TEST_SCALE"] === "nightly" ? 5_000 : 300;

const SURROGATES = { first: 0xd8_00, count: 0x8_00 };

/**
 * Any character: what `unit: "binary"` of `fc.string` gives, with the same values for a seed, but without
 * the list of all characters, which takes a second of a core to make.
 */
export const characters: fc.Arbitrary<string> = fc
  .nat(0x10_ff_ff - SURROGATES.count)
  .map(
    (index) => String.fromCodePoint(index < SURROGATES.first ? index : index + SURROGATES.count),
    indexOf,
  );

function indexOf(text: unknown): number {
  const point = typeof text === "string" ? text.codePointAt(0) : undefined;
  // So `fc.string` learns which of its own examples consist of these characters.
  if (point === undefined || text !== String.fromCodePoint(point)) throw new Error("no character");
  return point < SURROGATES.first ? point : point - SURROGATES.count;
}

const oddKeys = ["__proto__", "constructor", "valueOf", "toString", "length", "$holdfast", "", "0"];

const keys: fc.Arbitrary<string> = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom("a", "b", "c", "d") },
  { weight: 1, arbitrary: fc.constantFrom(...oddKeys) },
);

const jsonLeaf: fc.Arbitrary<unknown> = fc.oneof(
  fc.integer({ min: -3, max: 3 }).map((value) => value + 0),
  fc.string({ maxLength: 4, unit: characters }),
  fc.constantFrom("Map", "undefined", "\ud800", 'a"b\\', "é€𝄞"),
  fc.boolean(),
  fc.constant(null),
);

const oddLeaf: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom(undefined, Number.NaN, -0, 0, Infinity, -Infinity, 1e300, 5e-324),
  fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }),
  fc.constantFrom(0n, 1n),
  fc.constantFrom(0, 1, Number.NaN, -62_198_755_200_000, 8.64e15).map((time) => new Date(time)),
  fc.uint8Array({ maxLength: 4 }),
);

function record(child: fc.Arbitrary<unknown>): fc.Arbitrary<Record<string, unknown>> {
  return fc
    .array(fc.tuple(keys, child), { maxLength: 4 })
    .map((entries): Record<string, unknown> => Object.fromEntries(entries));
}

function nested(leaf: fc.Arbitrary<unknown>, collections: boolean): fc.Arbitrary<unknown> {
  return fc.letrec((tie) => {
    const child = tie("value");
    const list = fc.array(child, { maxLength: 4 });
    const plain = [record(child), list];
    const rich = [
      list.map((members) => new Set(members)),
      fc.array(fc.tuple(child, child), { maxLength: 3 }).map((entries) => new Map(entries)),
    ];
    return {
      value: fc.oneof(
        { maxDepth: 4, depthSize: "small" },
        leaf,
        ...plain,
        ...(collections ? rich : []),
      ),
    };
  })["value"];
}

/** Any value a state may hold. */
export const stateValues: fc.Arbitrary<unknown> = nested(fc.oneof(jsonLeaf, oddLeaf), true);

/** Any state: a record of such values. */
export const states: fc.Arbitrary<Record<string, unknown>> = record(stateValues);

/** States that are plain JSON. */
export const jsonStates: fc.Arbitrary<Record<string, unknown>> = record(nested(jsonLeaf, false));

/** A pair of values that are often equal or nearly so. */
export const valuePairs: fc.Arbitrary<readonly [unknown, unknown]> = fc.oneof(
  fc.tuple(stateValues, stateValues),
  fc.tuple(stateValues, fc.constantFrom(0, -0, undefined)).map(twins),
  fc.tuple(stateValues, fc.nat(40)).map(twins),
);

/** A value and a deep copy of it, in which leaf number `at` is another when there is one. */
function twins([value, at]: readonly [unknown, unknown]): readonly [unknown, unknown] {
  let left = typeof at === "number" ? at : Infinity;
  const change = (leaf: unknown): unknown => (leaf === 0 ? -leaf : { other: true });
  return [value, mapLeaves(value, (leaf) => (left-- === 0 ? change(leaf) : leaf))];
}

/** A deep copy with every leaf exchanged by `change`, and the keys of records in reverse. */
export function mapLeaves(node: unknown, change: (leaf: unknown) => unknown): unknown {
  const copy = (child: unknown): unknown => mapLeaves(child, change);
  if (Array.isArray(node)) return node.map(copy);
  if (node instanceof Map) return new Map([...node].map(([key, item]) => [copy(key), copy(item)]));
  if (node instanceof Set) return new Set([...node].map(copy));
  if (node instanceof Uint8Array) return new Uint8Array(node);
  if (node instanceof Date) return change(new Date(node));
  if (typeof node !== "object" || node === null) return change(node);
  const entries = Object.entries(node).map(([key, item]): [string, unknown] => [key, copy(item)]);
  return Object.fromEntries(entries.toReversed());
}
