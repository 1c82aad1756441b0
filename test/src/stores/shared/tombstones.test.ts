/** How long a record has to be kept. */
import { expect, it } from "vitest";
import { firstForgetMs, forgetAfterMs } from "../../../../src/stores/shared/tombstones.ts";

const write = { key: "k", expectedVersion: 0, version: 1, state: undefined };
const rule = { tombstoneMs: 100, leastMs: 50 };

it("counts from a delete, or from the end of a record's time, and not under the least", () => {
  expect(forgetAfterMs(write, true, rule)).toBe(100);
  expect(forgetAfterMs({ ...write, ttlMs: 7 }, false, rule)).toBe(107);
  expect(forgetAfterMs({ ...write, tombstoneMs: 1 }, true, rule)).toBe(50);
  expect(forgetAfterMs({ ...write, tombstoneMs: Infinity }, true, rule)).toBe(Infinity);
  expect(forgetAfterMs(write, false, rule)).toBeUndefined();
});

it("finds the first end of a batch of any size", () => {
  const many = Array.from({ length: 300_000 }, () => write);
  expect(firstForgetMs([...many, { ...write, tombstoneMs: 60 }], rule)).toBe(60);
  expect(firstForgetMs([], rule)).toBe(Infinity);
});
