/** Long lists: what a change writes, and what a restart and an older record give. */
import { describe, expect, it } from "vitest";
import { join } from "node:path";
import { State } from "../../../../src/dialects/vcr/state.ts";
import { createVcr } from "../../../../src/dialects/vcr/vcr.ts";
import { createRuntime } from "../../../../src/runtime/runtime.ts";
import { memoryStore } from "../../../../src/stores/memory/store.ts";
import { sqliteStore } from "../../../../src/stores/sqlite/store.ts";
import type { StateStore } from "../../../../src/stores/contract.ts";
import { testDirectory } from "../../../support/directory.ts";

const LENGTH = 20_000;
const KEY = "holdfast/vcr/state:s:l";
const dir = testDirectory("vcr-long-list");

/** A memory store that counts the characters of the patches of each commit. */
function countingStore(): { store: StateStore; written: (number | undefined)[] } {
  const inner = memoryStore();
  const written: (number | undefined)[] = [];
  const commit: StateStore["commit"] = (writes, options) => {
    for (const { patches } of writes)
      written.push(patches === undefined ? undefined : JSON.stringify(patches).length);
    return inner.commit(writes, options);
  };
  return {
    store: Object.assign(Object.create(inner) as StateStore, bound(inner), { commit }),
    written,
  };
}

function bound(store: StateStore): Omit<StateStore, "commit"> {
  const { name, supports } = store;
  return {
    name,
    supports,
    load: (keys) => store.load(keys),
    list: (query) => store.list(query),
    close: () => store.close(),
  };
}

function open(store: StateStore): { state: State; close: () => Promise<void> } {
  const runtime = createRuntime({ store });
  const state = new State(createVcr({ runtime }).getSessionById("s"));
  return { state, close: () => runtime.close() };
}

async function fill(state: State): Promise<number[]> {
  for (let at = 0; at < LENGTH; at += 5_000)
    await Promise.all(Array.from({ length: 5_000 }, (_, n) => state.listAppend("l", at + n)));
  return Array.from({ length: LENGTH }, (_, at) => at);
}

describe("a long list", () => {
  it("writes what changed, one call at a time and many at once", async () => {
    const { store, written } = countingStore();
    const { state, close } = open(store);
    await fill(state);
    await state.listInsert("l", true, LENGTH / 2, "x"); // Its part was full: now there is room.
    let sets = 0;
    const calls = [
      () => state.listAppend("l", 1),
      () => state.listEndPop("l"),
      () => state.listPrepend("l", 1),
      () => state.listStartPop("l"),
      () => state.listSet("l", LENGTH / 2, -1 - (sets += 1)),
      () => state.listInsert("l", true, LENGTH / 2 - 1, -9),
      () => state.listRemove("l", -9, 1),
      () => state.listTrim("l", 1, -2),
    ];
    for (const call of calls) {
      written.length = 0;
      for (let n = 0; n < 3; n++) await call();
      for (const chars of written) expect(chars, String(call)).toBeLessThan(200);
      expect(written.length, String(call)).toBeGreaterThan(0);
    }
    // A queue: more items go in at one end and out at the other than a part has.
    written.length = 0;
    const both = [() => state.listPrepend("l", 1), () => state.listEndPop("l")];
    const burst = Array.from({ length: 2_000 }, () => both.map((call) => call()));
    await Promise.all(burst.flat());
    const total = written.reduce((sum: number, chars) => sum + (chars ?? Infinity), 0);
    expect(total / 4_000).toBeLessThan(100);
    await close();
  });

  it("is there after a restart, and so is what was written to it", async () => {
    const path = join(dir, "kept.db");
    const first = open(sqliteStore({ path }));
    const values = await fill(first.state);
    await first.state.listPrepend("l", "first");
    await first.state.listInsert("l", false, 10_000, "middle");
    await first.close();
    const second = open(sqliteStore({ path }));
    const expected = ["first", ...values.toSpliced(10_001, 0, "middle" as never)];
    expect(await second.state.listRange("l")).toEqual(expected);
    expect(await second.state.listLength("l")).toBe(String(LENGTH + 2));
    await second.close();
  });

  it("that an older release stored as one array is read and changed", async () => {
    const store = memoryStore();
    const list = Array.from({ length: LENGTH }, (_, at) => String(at));
    await store.commit([{ key: KEY, expectedVersion: 0, version: 1, state: { list } }]);
    const { state, close } = open(store);
    expect(await state.listIndex("l", -1)).toBe(LENGTH - 1);
    expect(await state.listStartPop("l", 2)).toEqual([0, 1]);
    expect(await state.listRange("l", 0, 1)).toEqual([2, 3]);
    expect(await state.listLength("l")).toBe(String(LENGTH - 2));
    await close();
  });

  it("is no array in its record, so that an older release refuses it; a short one is", async () => {
    const store = memoryStore();
    const { state, close } = open(store);
    for (let at = 0; at < 512; at++) void state.listAppend("l", at);
    await state.listLength("l");
    expect((await store.load([KEY]))[0]?.state).toMatchObject({ list: { length: 512 } });
    await state.listAppend("l", 512);
    expect((await store.load([KEY]))[0]?.state).toMatchObject({
      list: { parts: [{ length: 512 }, ["512"]] },
    });
    await close();
  });

  it("is refused when its record is damaged, and left as it is", async () => {
    const store = memoryStore();
    const damaged = { list: { parts: [["1"], []] } };
    await store.commit([{ key: KEY, expectedVersion: 0, version: 1, state: damaged }]);
    const { state, close } = open(store);
    await expect(state.listAppend("l", 1)).rejects.toMatchObject({ code: "CORRUPT_STATE" });
    expect((await store.load([KEY]))[0]?.state).toEqual(damaged);
    await close();
  });
});
