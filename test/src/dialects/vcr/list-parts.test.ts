/** Lists in parts read and change as arrays do, at the cost of what changes. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { applyPatches } from "../../../../actors/state/patches.ts";
import {
  isStoredList,
  itemsOf,
  lengthOf,
  PART_MAX,
  partsOf,
  positionOf,
  spliced,
  type StoredList,
  without,
} from "../../../../src/dialects/vcr/list-parts.ts";

const texts = (length: number, from = 0): string[] =>
  Array.from({ length }, (_, at) => String(from + at));

/** A list as it lies in a store after that many appended items. */
function listOf(items: readonly string[]): StoredList {
  return spliced([], { at: 0, remove: 0, add: items }).list;
}

function expectSound(list: StoredList): void {
  expect(isStoredList(list)).toBe(true);
  expect(lengthOf(list)).toBe(itemsOf(list).length);
  expect(Object.isFrozen(list) && partsOf(list).every((part) => Object.isFrozen(part))).toBe(true);
  if ("parts" in list) expect(Object.isFrozen(list.parts)).toBe(true);
  for (const part of partsOf(list)) expect(part.length).toBeLessThanOrEqual(PART_MAX);
}

const share = fc.double({ min: 0, max: 1, noNaN: true });
const edits = fc.array(
  fc.oneof(
    fc.record({ at: share, remove: fc.nat(3), add: fc.nat(3) }),
    fc.record({ at: fc.constantFrom(0, 1), remove: fc.constant(0), add: fc.nat(1_500) }),
    fc.record({ at: share, remove: fc.nat(1_500), add: fc.nat(1_200) }),
    fc.record({ modulus: fc.integer({ min: 2, max: 40 }), reversed: fc.boolean() }),
  ),
  { minLength: 1, maxLength: 12 },
);

describe("a list in parts", () => {
  it("is what an array is after any changes, and its patches lead there and back", () => {
    fc.assert(
      fc.property(fc.nat(3_000), edits, (length, changes) => {
        let items = texts(length);
        let list = listOf(items);
        let made = length;
        for (const change of changes) {
          const before = { list };
          let edit;
          if ("at" in change) {
            const at = Math.round(change.at * items.length);
            const remove = Math.min(change.remove, items.length - at);
            const add = texts(change.add, made);
            made += change.add;
            items = items.toSpliced(at, remove, ...add);
            edit = spliced(list, { at, remove, add });
          } else {
            let left = 50;
            const keeps = (item: string): boolean => {
              if (left === 0 || Number(item) % change.modulus !== 0) return true;
              left -= 1;
              return false;
            };
            const filtered = change.reversed
              ? items.toReversed().filter(keeps).toReversed()
              : items.filter(keeps);
            left = 50;
            items = filtered;
            edit = without(list, keeps, change.reversed);
          }
          if (items.length === 0) return; // A key without items is gone.
          expect(itemsOf(edit.list)).toEqual(items);
          expectSound(edit.list);
          expect(applyPatches(before, edit.patches)).toEqual({ list: edit.list });
          expect(applyPatches({ list: edit.list }, edit.inverse)).toEqual(before);
          ({ list } = edit);
        }
        const place = items.length >> 1;
        expect(positionOf(list, (item) => item === items[place])).toBe(place);
        expect(itemsOf(list, place, place + 700)).toEqual(items.slice(place, place + 700));
      }),
      { numRuns: process.env["TEST_SCALE"] === "nightly" ? 3_000 : 150 },
    );
  });

  it("does not change by an equal item", () => {
    for (const list of [listOf(texts(3)), listOf(texts(5_000)), Object.freeze(texts(5_000))]) {
      expect(spliced(list, { at: 1, remove: 1, add: ["1"] }).patches).toEqual([]);
      expect(without(list, () => true, false).patches).toEqual([]);
    }
  });

  it("copies one part and the table for one item", () => {
    const list = listOf(texts(20_000));
    for (const at of [0, 7_000, 19_999]) {
      const next = spliced(list, { at, remove: 1, add: ["x"] });
      const kept = new Set(partsOf(list));
      expect(partsOf(next.list).filter((part) => !kept.has(part))).toHaveLength(1);
      expect(next.patches).toHaveLength(1);
    }
  });

  it("is put together anew when little is left in many parts", () => {
    const list = without(listOf(texts(20_000)), (item) => Number(item) % 100 === 0, false).list;
    expect(itemsOf(list)).toEqual(texts(200).map((text) => (text === "0" ? text : `${text}00`)));
    expect("parts" in list).toBe(false);
  });

  it.each([[{}], [{ parts: [] }], [{ parts: [[]] }], [{ parts: ["a"] }], [{ parts: 1 }], ["a"]])(
    "is not %j",
    (value) => {
      expect(isStoredList(value)).toBe(false);
    },
  );
});
