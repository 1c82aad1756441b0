import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Json, Patch } from "../../../../actors/protocol.ts";
import { copyIn } from "../../../../actors/state/copy.ts";
import { difference } from "../../../../actors/state/diff.ts";
import {
  extrasOf,
  sameRecord,
  withExtras,
  type OnceEntry,
} from "../../../../actors/state/extras.ts";
import { applyPatches } from "../../../../actors/state/patches.ts";
import { encodeState } from "../../../../src/runtime/persistence/record-codec.ts";
import {
  decodeRecord,
  encodeChange,
  encodeRecord,
} from "../../../../src/runtime/persistence/record-envelope.ts";
import { isDeepFrozen } from "../../../support/frozen.ts";

function throughText(json: Json): Json {
  return JSON.parse(JSON.stringify(json)) as Json;
}

/** A state with these keys, or with none. */
function recordOf(state: object, once: readonly OnceEntry[] | null): object {
  const own = copyIn(state, "");
  return withExtras(own, once && Object.freeze({ once }));
}

const DATE = new Date(5);
const ENTRIES: readonly OnceEntry[] = copyIn(
  [
    ["a", true],
    ["b", undefined],
    ["c", { at: DATE, big: 5n }],
    ["$holdfast", { $holdfast: "record" }],
  ],
  "",
);

describe("the stored form of a record", () => {
  it("V2 is the encoded state when there are no extras", () => {
    const state = copyIn({ at: DATE, list: [1] }, "");
    expect(encodeRecord(state, 1)).toEqual(encodeState(state));
    expect(extrasOf(decodeRecord(throughText(encodeRecord(state, 1))).state)).toBeNull();
  });

  it.each([{ n: 1, at: DATE }, { $holdfast: "record", state: {}, once: [] }, {}])(
    "V1 gives state and extras back: %j",
    (state) => {
      for (const [once, version] of [
        [ENTRIES, 1] as const,
        [null, 1] as const,
        [ENTRIES, 3] as const,
        [null, 3] as const,
      ]) {
        const record = recordOf(state, once);
        const decoded = decodeRecord(throughText(encodeRecord(record, version)));
        expect(decoded.kindVersion).toBe(version);
        const back = decoded.state;
        expect(sameRecord(back, record)).toBe(true);
        expect(extrasOf(back)?.once ?? null).toEqual(once);
        expect(isDeepFrozen(back) && isDeepFrozen(extrasOf(back))).toBe(true);
      }
    },
  );

  it("V3 changes by patches as by a whole record", () => {
    const entries = fc.array(fc.tuple(fc.string(), fc.jsonValue()), { maxLength: 5 });
    const states = fc.dictionary(fc.string(), fc.jsonValue());
    const cases = fc.tuple(entries, entries, fc.nat(5), fc.constantFrom(1, 2));
    fc.assert(
      fc.property(fc.tuple(states, states), cases, (each, keys) => {
        const [[before, next], [old, added, cut, version]] = [each, keys];
        const kept = copyIn(old, "") as readonly OnceEntry[];
        const from = recordOf(before, kept);
        const { state, patches } = difference(from, copyIn(next, ""));
        const once = Object.freeze([...kept, ...(copyIn(added, "") as OnceEntry[])].slice(cut));
        const to = withExtras(state, once.length === 0 ? extrasOf(from) : Object.freeze({ once }));
        const change = encodeChange(from, to, patches, version);
        if (change === undefined) return;
        const stored = applyPatches(throughText(encodeRecord(from, version)), change);
        const back = decodeRecord(throughText(stored));
        expect(back.kindVersion).toBe(version);
        expect(sameRecord(back.state, to)).toBe(true);
      }),
    );
  });

  it("V3 is written whole when it gets its first extras, then costs what changed", () => {
    const bare = recordOf({ list: [1] }, null);
    const [a, b, c] = ENTRIES;
    if (a === undefined || b === undefined || c === undefined) throw new Error("three");
    expect(encodeChange(bare, recordOf({ list: [1] }, [a]), [], 1)).toBeUndefined();
    const from = recordOf({ list: [1] }, [a, b]);
    const push: Patch = { op: "add", path: ["list", 1], value: 2 };
    expect(encodeChange(from, recordOf({ list: [1, 2] }, [b, c]), [push], 1)).toEqual([
      { op: "add", path: ["state", "list", 1], value: 2 },
      { op: "remove", path: ["once", 0] },
      { op: "add", path: ["once", 1], value: encodeState(c) },
    ]);
  });

  it("V3 of a version above 1 changes by patches from and to no extras", () => {
    const [bare, once] = [recordOf({ n: 1 }, null), recordOf({ n: 1 }, ENTRIES)];
    const set: Patch = { op: "replace", path: ["n"], value: 2 };
    expect(encodeChange(bare, recordOf({ n: 2 }, null), [set], 2)).toEqual([
      { op: "replace", path: ["state", "n"], value: 2 },
    ]);
    const change = encodeChange(bare, once, [], 2) ?? [];
    const stored = applyPatches(throughText(encodeRecord(bare, 2)), change);
    expect(stored).toEqual(encodeRecord(once, 2));
  });

  it.each([
    { $holdfast: "record", state: { n: 1 }, once: [], undo: [] },
    { $holdfast: "record", state: { n: 1 }, once: [["a"]] },
    { $holdfast: "record", state: { n: 1 }, once: {} },
    { $holdfast: "record", once: [] },
    { $holdfast: "record", state: {}, kindVersion: 0 },
    { $holdfast: "record", state: {}, kindVersion: "2" },
  ])("V4 refuses a record it cannot read: %j", (json) => {
    expect(() => decodeRecord(json as Json)).toThrow(Error);
  });
});

describe("extras", () => {
  it("E1 stay with the state object they were given to", () => {
    const state = copyIn({ n: 1 }, "");
    const one = Object.freeze({ once: ENTRIES });
    const other = Object.freeze({ once: [] });
    expect(withExtras(state, one)).toBe(state);
    const copy = withExtras(state, other);
    expect(copy).not.toBe(state);
    expect(copy).toEqual(state);
    expect([extrasOf(state), extrasOf(copy)]).toEqual([one, other]);
    expect(extrasOf(withExtras(state, null))).toBeNull();
  });
});
