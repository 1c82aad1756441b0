/** A store as all scopes on it share it: whose failure is whose. */
import { describe, expect, it } from "vitest";
import { batchingStore } from "../../../../src/runtime/persistence/batching-store.ts";
import { createRuntime } from "../../../../src/runtime/runtime.ts";
import { memoryStore } from "../../../../src/stores/memory/store.ts";
import type { ScopeWrite, StoredRecord, WriteResult } from "../../../../src/stores/contract.ts";
import { faultyStore } from "../../../../src/testing/faulty-store.ts";

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
    const batched = batchingStore(memoryStore());
    const [one, two, three] = await Promise.allSettled([
      batched.commit(write("one", 0, 1), batched),
      batched.commit(bad, batched),
      batched.commit(write("three", 0, 1), batched),
    ]);
    expect([one, three].map(({ status }) => status)).toEqual(["fulfilled", "fulfilled"]);
    expect(two).toMatchObject({ status: "rejected", reason: expect.any(error) as Error });
  });

  it.each(["lost", "unknown"] as const)(
    "answers a check beside writes that are %s",
    async (kind) => {
      const inner = memoryStore();
      await inner.commit([write("read", 0, 1)]);
      const store = faultyStore(inner, {
        choose: ({ operation }) => (operation === "commit" ? kind : undefined),
      });
      const batched = batchingStore(store);
      const [written, same, moved] = await Promise.allSettled([
        batched.commit(write("one", 0, 1), batched),
        batched.verify("read", 1),
        batched.verify("read", 3),
      ]);
      expect(written).toMatchObject({ reason: { code: "COMMIT_UNKNOWN" } });
      expect(same).toMatchObject({ value: { ok: true, version: 1 } });
      expect(moved).toMatchObject({ value: { ok: false, current: { version: 1 } } });
    },
  );

  it("rejects an erasure by deletes once none of them is under way", async () => {
    const inner = memoryStore();
    let conflicts = 1;
    const batched = batchingStore({
      name: "deleting",
      supports: inner.supports,
      load: async (keys) => {
        if (keys.includes("bad")) throw new Error("no answer");
        return inner.load(keys);
      },
      commit: async (writes) => {
        const isDelete = writes.some(({ state }) => state === undefined);
        if (isDelete && conflicts-- > 0) return [{ ok: false, current: { version: 1, state: 1 } }];
        return inner.commit(writes);
      },
      list: (query) => inner.list(query),
      close: () => inner.close(),
    });
    await batched.commit(write("one", 0, 1), batched);
    await expect(batched.erase(["bad", "one"])).rejects.toThrow("no answer");
    expect(await batched.load("one")).toMatchObject({ version: 2, state: undefined });
  });

  const nonsense = [
    ["no answers", []],
    ["nothing", undefined],
    ["an answer too many", [undefined, undefined]],
    ["an answer that is none", [5]],
    ["a record of another shape", [{ ok: false, current: { state: {} } }]],
  ] as const;

  it.each(nonsense)("does not know what a store wrote that answers %s", async (_, answers) => {
    const store = memoryStore();
    const commit = store.commit.bind(store);
    // What it is tested for.
    const answer = async () => answers as unknown as WriteResult[];
    store.commit = async (writes, options) => {
      await commit(writes, options);
      return answer();
    };
    const runtime = createRuntime({ store });
    const scope = await runtime.open<{ n?: number }>("user", "1");
    const unknown = { code: "COMMIT_UNKNOWN" };
    await expect(scope.incState({ n: 1 })).rejects.toMatchObject(unknown);
    const cause = { code: "STORE_CONTRACT" };
    const batched = batchingStore(store);
    const together = batched.commitTogether([write("two", 0, 1)], {
      atomic: true,
      owners: new Set(),
    });
    await expect(together).rejects.toMatchObject({ ...unknown, cause });
    store.commit = commit;
    expect(await scope.incState({ n: 1 })).toBe(true);
    expect([scope.state, scope.version]).toEqual([{ n: 2 }, 2]);
    await runtime.close();
  });

  it.each([[[]], [[null]], [[{}]], [5]])("refuses a load that answers %j", async (answers) => {
    const store = memoryStore();
    // What it is tested for.
    store.load = async () => answers as unknown as StoredRecord[];
    const load = batchingStore(store).load("one");
    await expect(load).rejects.toMatchObject({ code: "STORE_CONTRACT" });
  });
});
