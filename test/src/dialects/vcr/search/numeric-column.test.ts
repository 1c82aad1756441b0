import * as fc from "fast-check";
import { expect, it } from "vitest";
import { NumericColumn } from "../../../../../src/dialects/vcr/search/numeric-column.ts";

const value = fc.oneof(fc.integer({ min: -3, max: 3 }), fc.constantFrom(Infinity, -Infinity, 0.5));

it("finds what a plain scan finds, whatever was added and taken away in between", () => {
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.record({ add: value }) },
    fc.record({ remove: fc.nat(30) }),
    fc.record({ min: value, max: value }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const alive = new Map<number, number>();
      const column = new NumericColumn((document) => alive.has(document));
      let next = 0;
      for (const change of steps) {
        if ("add" in change) {
          alive.set(next, change.add);
          column.add(next, change.add);
          next += 1;
        } else if ("remove" in change) alive.delete(change.remove);
        else {
          const inside = ([, number]: [number, number]) =>
            number >= change.min && number <= change.max;
          const expected = [...alive].filter(inside).map(([document]) => document);
          expect([...column.between(change.min, change.max)].toSorted((a, b) => a - b)).toEqual(
            expected,
          );
        }
      }
    }),
  );
});

it("settles a long wait by itself and keeps each document's number", () => {
  const column = new NumericColumn((document) => document % 2 === 0);
  for (let document = 0; document < 5_000; document++) column.add(document, document % 10);
  expect(column.valueOf(4_321)).toBe(1);
  expect(column.valueOf(9_999)).toBeNaN();
  expect(column.between(4, 5)).toHaveLength(500);
  column.renumber((document) => (document % 4 === 0 ? document / 2 : -1));
  expect(column.valueOf(2)).toBe(4);
  expect(column.between(4, 5)).toHaveLength(250);
});
