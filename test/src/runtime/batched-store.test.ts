/** A store as all scopes on it share it: whose failure is whose. */
import { describe, expect, it } from "vitest";
import { batchedStore } from "../../../src/runtime/batched-store.ts";
import { memoryStore } from "../../../src/stores/memory.ts";
import type { ScopeWrite } from "../../../src/stores/store.ts";

function write(key: string, expectedVersion: number, version: number): ScopeWrite {
  return { key, expectedVersion, version, state: { n: 1 } };
}

describe("a batched store", () => {
  it.each([
    ["a version that goes back", write("bad", 3, 2), RangeError],
    ["a version that is no number", write("bad", Number.NaN, 1), RangeError],
    // What it is tested for.
    ["a key that is no text", write(5 as unknown as string, 0, 1), TypeError],
  ])("refuses %s alone, not its batch", async (_, bad, error) => {
    const batched = batchedStore(memoryStore());
    const [one, two, three] = await Promise.allSettled([
      batched.commit(write("one", 0, 1), batched),
      batched.commit(bad, batched),
      batched.commit(write("three", 0, 1), batched),
    ]);
    expect([one, three].map(({ status }) => status)).toEqual(["fulfilled", "fulfilled"]);
    expect(two).toMatchObject({ status: "rejected", reason: expect.any(error) as Error });
  });
});
