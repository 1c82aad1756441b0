import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { equal } from "../../../../actors/state/equal.ts";
import { applyPatches } from "../../../../actors/state/patches.ts";
import type { Json, Patch } from "../../../../actors/protocol.ts";
import { copyIn } from "../../../../actors/state/copy.ts";
import {
  decodeState,
  encodePatches,
  encodeState,
} from "../../../../src/runtime/persistence/record-codec.ts";
import { jsonStates, propertyRuns, states, stateValues } from "../../../support/state-value.ts";

/** What a store that keeps text gives back. */
function throughText(json: Json): Json {
  return JSON.parse(JSON.stringify(json)) as Json;
}

function expectFrozen(value: unknown): void {
  if (typeof value !== "object" || value === null) return;
  if (value instanceof Date || value instanceof Uint8Array) return;
  expect(Object.isFrozen(value)).toBe(true);
  const members = value instanceof Map || value instanceof Set ? [...value] : Object.values(value);
  for (const member of members.flat()) expectFrozen(member);
}

/** Where to change something, how, and what to put there. */
type Choice = readonly [number, number, unknown];
type Place = readonly [object, Patch["path"]];

/** Every container of a state, with its path. */
function placesOf(value: unknown, path: Patch["path"] = []): Place[] {
  if (typeof value !== "object" || value === null) return [];
  if (value instanceof Date || value instanceof Uint8Array) return [];
  const below =
    value instanceof Map
      ? [...value].filter((entry): entry is [string, unknown] => typeof entry[0] === "string")
      : value instanceof Set
        ? []
        : Array.isArray(value)
          ? [...value.entries()]
          : Object.entries(value);
  return [[value, path], ...below.flatMap(([key, child]) => placesOf(child, [...path, key]))];
}

function elementPatch(length: number, path: Patch["path"], [, what, value]: Choice): Patch {
  const index = what % (length + 1);
  if (what % 7 === 0) return { op: "replace", path: [...path, "length"], value: index };
  const add = what % 3 === 0 || index === length;
  if (add) return { op: "add", path: [...path, index], value };
  if (what % 3 === 1) return { op: "replace", path: [...path, index], value };
  return { op: "remove", path: [...path, index] };
}

/** One patch that fits the state. Made by hand: immer fails on some keys that states may have. */
function patchOf(state: object, [where, what, value]: Choice): Patch {
  const places = placesOf(state);
  const [node, path] = places[where % places.length] ?? [state, []];
  const key = ["a", "b", "$holdfast", "__proto__"][what % 4] ?? "a";
  if (Array.isArray(node)) return elementPatch(node.length, path, [where, what, value]);
  if (node instanceof Set) return { op: "add", path: [...path, 0], value };
  const present = node instanceof Map ? node.has(key) : Object.hasOwn(node, key);
  if (present && what % 3 === 0) return { op: "remove", path: [...path, key] };
  if (what === 20) return { op: "replace", path: [], value: { a: [value], b: state } };
  return { op: present ? "replace" : "add", path: [...path, key], value };
}

/** Patches one after another, each made for what the ones before have led to. */
function patchesOf(state: object, choices: readonly Choice[]): Patch[] {
  const patches: Patch[] = [];
  for (const choice of choices) patches.push(patchOf(applyPatches(state, patches), choice));
  return copyIn<Patch[]>(patches, "");
}

const choiceLists = fc.array(fc.tuple(fc.nat(20), fc.nat(20), stateValues), {
  minLength: 1,
  maxLength: 5,
});

describe("encodeState and decodeState", () => {
  it("give back an equal, frozen state", () => {
    fc.assert(
      fc.property(states, (raw) => {
        const state = copyIn(raw, "");
        const decoded = decodeState(throughText(encodeState(state)));
        expect(equal(decoded, state)).toBe(true);
        expectFrozen(decoded);
        expect(equal(state, raw)).toBe(true);
      }),
      { numRuns: propertyRuns * 3 },
    );
  });

  it("leave plain states as they are", () => {
    const plain = jsonStates.filter((state) => !JSON.stringify(state).includes('"$holdfast"'));
    fc.assert(
      fc.property(plain, (raw) => {
        const state = copyIn(raw, "");
        expect(encodeState(state)).toBe(state);
        expect(decodeState(encodeState(state))).toBe(state);
      }),
      { numRuns: propertyRuns },
    );
  });

  it("share what needs no tag", () => {
    const state = copyIn({ plain: { a: [1] }, at: new Date(0) }, "");
    const json = encodeState(state) as { readonly plain: unknown; readonly at: unknown };
    expect(json.plain).toBe(state.plain);
    expect(json.at).toEqual({ $holdfast: "date", value: "1970-01-01T00:00:00.000Z" });
  });

  it("close maps and sets that were read", () => {
    const state = copyIn({ map: new Map([["a", 1]]), set: new Set([1]) }, "");
    const back = decodeState(encodeState(state)) as typeof state;
    expect(() => back.map.set("b", 1)).toThrow(TypeError);
    expect(() => back.set.add(2)).toThrow(TypeError);
  });

  it("keep a user's object that looks like a tag", () => {
    for (const fake of [
      { $holdfast: "undefined" },
      { $holdfast: "date", value: null },
      { $holdfast: { $holdfast: "object", value: {} }, value: { $holdfast: 1 } },
    ]) {
      const state = copyIn({ fake }, "");
      expect(decodeState(throughText(encodeState(state)))).toEqual({ fake });
      expect(decodeState(throughText(encodeState(copyIn(fake, ""))))).toEqual(fake);
    }
  });

  it.each([
    ["an unknown tag", { a: { $holdfast: "regexp", value: "a" } }],
    ["a tag that is no text", { a: { $holdfast: 5, value: "a" } }],
    ["a missing value", { a: { $holdfast: "map" } }],
    ["a broken number", { a: { $holdfast: "number", value: "12" } }],
    ["a broken bigint", { a: { $holdfast: "bigint", value: "0x10" } }],
    ["a broken date", { a: { $holdfast: "date", value: "yesterday" } }],
    ["a broken map", { a: { $holdfast: "map", value: [["a"]] } }],
    ["a list that is no collection", { a: { $holdfast: "date", value: [] } }],
    ["a wrapped list", { a: { $holdfast: "object", value: [] } }],
    ["no object", { $holdfast: "undefined" }],
    ["no object at all", 5],
  ])("refuse %s", (_name, json) => {
    expect(() => decodeState(json)).toThrow(Error);
  });

  it("refuse JSON that nests without end", () => {
    const deep = JSON.parse("[".repeat(5_000) + "]".repeat(5_000)) as Json;
    expect(() => decodeState({ deep })).toThrow(/64 levels/u);
  });
});

describe("encodePatches", () => {
  it("lead to the encoding of the next state, or say that they cannot", () => {
    let led = 0;
    fc.assert(
      fc.property(states, choiceLists, (raw, choices) => {
        const state = copyIn(raw, "");
        const patches = patchesOf(state, choices);
        const next = applyPatches(state, patches);
        const encoded = encodePatches(state, patches);
        if (encoded === undefined) return;
        led++;
        const stored = applyPatches(throughText(encodeState(state)), encoded);
        expect(equal(decodeState(throughText(stored)), next)).toBe(true);
        expect(equal(throughText(stored), throughText(encodeState(copyIn(next, ""))))).toBe(true);
      }),
      { numRuns: propertyRuns * 5 },
    );
    expect(led).toBeGreaterThan(propertyRuns);
  });

  const add = (path: Patch["path"], value: unknown): Patch => ({ op: "add", path, value });

  it("tag the values and keep the paths", () => {
    const patches = [add(["a"], undefined), add(["list", 1], -0), add(["list", 2], { at: 1n })];
    expect(encodePatches({ list: [1] }, patches)).toEqual([
      add(["a"], { $holdfast: "undefined" }),
      add(["list", 1], { $holdfast: "number", value: "-0" }),
      add(["list", 2], { at: { $holdfast: "bigint", value: "1" } }),
    ]);
    expect(encodePatches({ a: 1 }, [{ op: "remove", path: ["a"] }])).toEqual([
      { op: "remove", path: ["a"] },
    ]);
  });

  it("follow what earlier patches put in place", () => {
    const pushed = [add(["list", 0], { n: 1 }), add(["list", 0, "n"], 2)];
    expect(encodePatches({ list: [] }, pushed)).toEqual(pushed);
    const nowMap = [add(["a"], new Map()), add(["a", "k"], 1)];
    expect(encodePatches({ a: {} }, nowMap)).toBeUndefined();
    const nowRecord = [add(["a"], {}), add(["a", "k"], 1)];
    expect(encodePatches({ a: new Map() }, nowRecord)).toEqual(nowRecord);
    const wholeState = [add([], { list: [{}] }), add(["list", 0, "k"], 1)];
    expect(encodePatches({ a: 1 }, wholeState)).toEqual(wholeState);
    const moved = [add(["list", 0], { n: 1 }), add(["list", 1, "n"], 2)];
    expect(encodePatches({ list: [new Map(), {}] }, moved)).toBeUndefined();
  });

  it("follow elements that earlier patches moved", () => {
    const state = { list: [{ n: 0 }, new Map(), { n: 2 }] };
    const start: Patch[] = [
      add(["list", 0], { n: -1 }),
      { op: "remove", path: ["list", 1] },
      add(["list", 0], { n: -2 }),
    ];
    for (const at of [0, 1, 3]) {
      const patches = [...start, add(["list", at, "k"], 1)];
      expect(encodePatches(state, patches)).toEqual(patches);
    }
    expect(encodePatches(state, [...start, add(["list", 2, "k"], 1)])).toBeUndefined(); // The map.
    expect(encodePatches(state, [...start, add(["list", 4, "k"], 1)])).toBeUndefined();
    const many = Array.from({ length: 1_000 }, () => add(["list", 0], {}));
    expect(encodePatches(state, [...many, add(["list", 0, "k"], 1)])).toBeUndefined();
  });

  it.each([
    ["a map", { a: new Map([["k", {}]]) }, add(["a", "k", "x"], 1)],
    ["a set", { a: new Set([1]) }, add(["a", 0], 2)],
    ["a wrapped object", { a: { $holdfast: 1, b: {} } }, add(["a", "b", "c"], 1)],
    ["a wrapped state", { $holdfast: 1 }, add(["b"], 1)],
    ["a field named like the tag", { a: {} }, add(["a", "$holdfast"], 1)],
    ["nothing", { a: {} }, add(["a", "b", "c"], 1)],
    ["a prototype", { a: {} }, add(["a", "__proto__", "c"], 1)],
  ])("do not run through %s", (_name, state, patch) => {
    expect(encodePatches(state, [patch])).toBeUndefined();
  });

  it("do not read the rest of the state", () => {
    const state = {
      list: [] as number[],
      get other(): never {
        throw new Error("read");
      },
    };
    expect(encodePatches(state, [add(["list", 0], 1)])).toEqual([add(["list", 0], 1)]);
  });
});
