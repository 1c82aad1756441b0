/** Options of the SQLite store that would weaken a promise in silence. */
import { expect, it } from "vitest";
import { sqliteStore } from "../../../../src/sqlite.ts";

it("refuses a level of synchronous it does not know, and a time that is no number", () => {
  const path = ":memory:";
  for (const synchronous of ["FULL", "off", ""])
    expect(() => sqliteStore({ path, synchronous: synchronous as never })).toThrow(RangeError);
  expect(() => sqliteStore({ path, busyTimeoutMs: Number.NaN })).toThrow(RangeError);
});
