import { describe, expect, it } from "vitest";
import { memoryStore } from "../../../src/stores/memory/store.ts";
import type { ScopeWrite, StateStore } from "../../../src/stores/contract.ts";
import { simulatedClock } from "../../../src/testing/clock.ts";
import {
  faultyStore,
  type FaultKind,
  type FaultyStore,
} from "../../../src/testing/faulty-store.ts";
import { checking } from "../../support/checking-store.ts";

const WRITES: readonly ScopeWrite[] = ["a", "b"].map((key) => ({
  key,
  expectedVersion: 0,
  version: 1,
  state: { key },
}));

function once(kind: FaultKind): { inner: StateStore; store: FaultyStore } {
  const inner = memoryStore();
  const store = faultyStore(inner, { choose: ({ number }) => (number === 1 ? kind : undefined) });
  return { inner, store };
}

const versions = async (store: StateStore): Promise<(number | undefined)[]> =>
  (await store.load(["a", "b"])).map((record) => record?.version);

describe("faultyStore", () => {
  it.each([
    ["fail", "STORE_UNAVAILABLE", [undefined, undefined]],
    ["unknown", "COMMIT_UNKNOWN", [undefined, undefined]],
    ["lost", "COMMIT_UNKNOWN", [1, 1]],
    ["torn", "COMMIT_UNKNOWN", [1, undefined]],
    ["lostPlain", undefined, [1, 1]],
  ] as const)("%s answers %s and leaves %j", async (kind, code, left) => {
    const { inner, store } = once(kind);
    const failure: unknown = await store.commit(WRITES).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(Error);
    expect((failure as { code?: string }).code).toBe(code);
    expect(await versions(inner)).toEqual(left);
    expect(store.faults.map((fault) => fault.kind)).toEqual([kind]);
  });

  it("a torn atomic batch leaves nothing", async () => {
    const { inner, store } = once("torn");
    await expect(store.commit(WRITES, { atomic: true })).rejects.toThrow();
    expect(await versions(inner)).toEqual([undefined, undefined]);
  });

  it("conflict answers with what is there; duplicate takes effect once", async () => {
    const first = once("conflict");
    const refused = await first.store.commit(WRITES);
    expect(refused).toEqual(WRITES.map(() => ({ ok: false, current: undefined })));
    expect(await versions(first.inner)).toEqual([undefined, undefined]);
    const second = once("duplicate");
    expect((await second.store.commit(WRITES)).every((result) => result.ok)).toBe(true);
    expect(await versions(second.inner)).toEqual([1, 1]);
  });

  it("a held call goes on when released, a slow one when its time has come", async () => {
    const { inner, store } = once("hold");
    const held = store.commit(WRITES);
    expect(await versions(inner)).toEqual([undefined, undefined]);
    expect(store.release()).toBe(1);
    await held;
    expect(await versions(inner)).toEqual([1, 1]);
    const clock = simulatedClock();
    const slow = faultyStore(inner, { choose: () => "slow", clock, slowMs: 10 });
    const read = slow.load(["a"]);
    expect(clock.pending).toBe(1);
    await clock.advance(10);
    expect((await read)[0]?.version).toBe(1);
  });

  it("checks fail, are held and come late as loads do, and share the faults of writes", async () => {
    const inner = checking(memoryStore());
    const checks = [{ key: "a", expectedVersion: 0 }];
    const kinds: Record<string, FaultKind> = { check1: "fail", check2: "hold", check3: "lost" };
    const store = faultyStore(inner, {
      choose: ({ operation, number }) => kinds[`${operation}${number}`],
    });
    const refused = { code: "STORE_UNAVAILABLE" };
    await expect(store.commit([], { checks })).rejects.toMatchObject(refused);
    const held = store.commit([], { checks });
    expect(store.release()).toBe(1);
    expect(await held).toEqual([{ ok: true, version: 0 }]);
    expect(await store.commit([], { checks })).toEqual([{ ok: true, version: 0 }]);
    kinds["commit1"] = "fail";
    await expect(store.commit(WRITES, { checks })).rejects.toMatchObject(refused);
    kinds["commit2"] = "conflict";
    const [first, second, checked] = await store.commit(WRITES, { checks });
    expect([first?.ok, second?.ok, checked]).toEqual([false, false, { ok: true, version: 0 }]);
    expect(store.faults.map(({ operation, keys }) => [operation, keys])).toEqual([
      ...Array.from({ length: 3 }, () => ["check", ["a"]]),
      ...Array.from({ length: 2 }, () => ["commit", ["a", "b"]]),
    ]);
    expect(store.faults.at(-1)?.checked).toEqual(["a"]);
    expect(store.supports.checks).toBe(true);
  });

  it("the same seed gives the same faults, another seed others, and calm ends them", async () => {
    const run = async (seed: number): Promise<string[]> => {
      const store = faultyStore(memoryStore(), { seed, rates: { fail: 0.3, conflict: 0.3 } });
      for (let call = 0; call < 50; call += 1) await store.commit([]).catch(() => undefined);
      const before = store.faults.length;
      store.calm();
      for (let call = 0; call < 20; call += 1) await store.commit([]);
      expect(store.faults.length).toBe(before);
      return store.faults.map((fault) => `${fault.number} ${fault.kind}`);
    };
    const first = await run(5);
    expect(first.length).toBeGreaterThan(15);
    expect(await run(5)).toEqual(first);
    expect(await run(6)).not.toEqual(first);
  });
});
