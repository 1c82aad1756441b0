import * as fc from "fast-check";
import { expect, it } from "vitest";
import { select } from "../../../../../src/dialects/vcr/search/select.ts";

it("gives the part of the sorted numbers that was asked for", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(20)), fc.nat(30), fc.nat(30), (keys, start, count) => {
      const precedes = (a: number, b: number) => (keys[a] ?? 0) - (keys[b] ?? 0) || a - b;
      const sorted = [...keys.keys()].toSorted(precedes);
      expect(select(keys.length, start, start + count, precedes)).toEqual(
        sorted.slice(start, start + count),
      );
    }),
  );
});
