import * as fc from "fast-check";
import { expect, it } from "vitest";
import { Posting } from "../../../../../src/dialects/vcr/search/posting.ts";

function entriesOf(posting: Posting): [number, number, number[]][] {
  return Array.from({ length: posting.size }, (_, at) => [
    posting.documentAt(at),
    posting.frequencyAt(at),
    [...posting.positionsAt(at)],
  ]);
}

it("keeps documents, weighted counts and positions", () => {
  const posting = new Posting("x");
  expect(posting.add(3, 2, 10)).toBe(true);
  expect(posting.add(3, 1, 11)).toBe(false);
  expect(posting.add(7, 1)).toBe(true);
  expect(posting.add(9, 1, 0)).toBe(true);
  expect(entriesOf(posting)).toEqual([
    [3, 3, [10, 11]],
    [7, 1, []],
    [9, 1, [0]],
  ]);
  expect([3, 7, 9, 0, 4, 10].map((document) => posting.find(document))).toEqual([
    0, 1, 2, -1, -1, -1,
  ]);
});

it("sweeps the dead away and never the living", () => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { minLength: 1, maxLength: 200 }), (stays) => {
      const posting = new Posting("x");
      const alive = new Set<number>();
      for (const document of stays.keys()) {
        posting.add(document, 1, document * 2);
        alive.add(document);
      }
      for (const [document, stay] of stays.entries()) {
        if (stay) continue;
        alive.delete(document);
        posting.release((other) => alive.has(other));
      }
      const living = entriesOf(posting).filter(([document]) => alive.has(document));
      expect(posting.live).toBe(alive.size);
      expect(living).toEqual([...alive].map((document) => [document, 1, [document * 2]]));
      expect(posting.size).toBeLessThanOrEqual(2 * alive.size + 16);
    }),
  );
});

it("takes new numbers", () => {
  const posting = new Posting("x");
  for (const document of [1, 4, 6]) posting.add(document, 1, document);
  posting.renumber((document) => (document === 4 ? -1 : document - 1));
  expect(entriesOf(posting)).toEqual([
    [0, 1, [1]],
    [5, 1, [6]],
  ]);
  expect(posting.add(8, 1, 9)).toBe(true);
  expect(posting.find(8)).toBe(2);
});
