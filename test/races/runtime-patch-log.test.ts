/**
 * Large states on SQLite, through a real runtime: whatever is done to a scope, what the file holds
 * is the live state, whether it is kept whole or as a base with patches, and the patches never
 * weigh as much as the state they are kept for.
 */
import * as fc from "fast-check";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { equal } from "../../actors/state/equal.ts";
import { isHoldfastError } from "../../actors/errors.ts";
import type { Json, Patch } from "../../actors/protocol.ts";
import { defineKind } from "../../src/runtime/kinds.ts";
import { createRuntime, type Runtime } from "../../src/runtime/runtime.ts";
import type { Scope } from "../../src/runtime/scope.ts";
import { decodeState, encodeState } from "../../src/runtime/persistence/record-codec.ts";
import { encodeKey } from "../../src/runtime/scope-key.ts";
import { openDatabase } from "../../src/stores/sqlite/driver.ts";
import { APART_FROM_CHARS, LOG_COUNT_MAX } from "../../src/stores/shared/large-records.ts";
import { sqliteStore } from "../../src/stores/sqlite/store.ts";
import { testDirectory } from "../support/directory.ts";
import { stateValues } from "../support/state-value.ts";

const RUNS = process.env["TEST_SCALE"] === "nightly" ? 3_000 : 150;

interface Bag {
  n: number;
  text: string;
  list: unknown[];
  map: Record<string, unknown>;
  value?: unknown;
}

const initial: Bag = { n: 0, text: "", list: [], map: {} };
const bag = defineKind<Bag>({ initial, maxStateSizeBytes: 10_000_000 });
const path = join(testDirectory("patch-log"), "store.db");
const openStore = (): ReturnType<typeof sqliteStore> =>
  sqliteStore({ path, synchronous: "normal" });
const openRuntime = (): Runtime => createRuntime({ store: openStore(), kinds: { bag } });

/** Sees the same file without having written it. */
const reader = openStore();
await reader.load([]);
const database = openDatabase(path);
afterAll(async () => {
  database.close();
  await reader.close();
});

interface Operation {
  readonly kind: keyof typeof kinds;
  readonly key: string;
  readonly value: unknown;
  readonly size: number;
}

type Run = (scope: Scope<Bag>, operation: Operation) => Promise<boolean>;

const kinds = {
  patch: (scope, { value }) => scope.patchState({ value }),
  keyed: (scope, { value }) => scope.patchState("value", () => value),
  set: (scope, { value, size, key }) =>
    scope.setState({ n: size, text: "s".repeat(size), list: [value], map: { [key]: value } }),
  inc: (scope) => scope.incState({ n: 1 }),
  push: (scope, { value, size }) => scope.pushState("list", [value, "p".repeat(size / 4)]),
  setKey: (scope, { key, value }) => scope.setStateRecord("map", key, value),
  deleteKey: (scope, { key }) => scope.deleteStateRecord("map", key),
  atomic: (scope, { size }) =>
    scope.atomicState(({ n, text }) => ({ n: n + 1, text: "a".repeat(size) + text.slice(0, 99) })),
  update: (scope, { key, size }) =>
    scope.update((draft) => {
      draft.n -= 1;
      // A draft refuses this one key.
      draft.map[key === "__proto__" ? "c" : key] = { size };
      draft.list.splice(0, 2, size);
    }),
  refuse: (scope) => scope.incState({ text: 1 } as never),
  delete: (scope) => scope.delete(),
} satisfies Record<string, Run>;

const large = APART_FROM_CHARS + 1_000;
const operation: fc.Arbitrary<Operation> = fc.record({
  kind: fc.oneof(
    { weight: 9, arbitrary: fc.constantFrom("inc", "push", "setKey", "update", "keyed") },
    // The names are the keys of the table just above.
    { weight: 4, arbitrary: fc.constantFrom(...(Object.keys(kinds) as (keyof typeof kinds)[])) },
  ),
  key: fc.constantFrom("a", "b", "__proto__", "constructor", "$holdfast"),
  value: stateValues,
  size: fc.constantFrom(0, 400, 12_000, large, 3 * large),
});
/** What is in one burst is not awaited in between; after some the runtime is opened anew. */
const bursts = fc.array(
  fc.record({
    list: fc.array(operation, { minLength: 1, maxLength: 4 }),
    reopens: fc.constantFrom(false, false, true),
  }),
  { minLength: 1, maxLength: 12 },
);

interface Row {
  readonly id: number;
  readonly version: number;
  readonly log_count: number;
  readonly log_size: number;
  readonly base_size: number;
}

/** The row of a key, its base and its patches, as they stand in the file. */
function rowsOf(key: string): { row: Row; base: string | undefined; patches: string[] } {
  // The tables are the store's own; every column read here is declared NOT NULL.
  const row = database.prepare("SELECT * FROM holdfast_record WHERE key = ?").get(key) as Row;
  const base = database
    .prepare("SELECT state, version FROM holdfast_base WHERE id = ?")
    .get(row.id) as { state: string } | undefined | null;
  const patches = database
    .prepare("SELECT patches FROM holdfast_patch WHERE id = ? ORDER BY version")
    .all(row.id) as { patches: string }[];
  return { row, base: base?.state, patches: patches.map((each) => each.patches) };
}

/** Does one patch to plain data in place, by the words of its format alone. */
function replay(root: unknown, { op, path: keys, value }: Patch): unknown {
  if (keys.length === 0) return value;
  // Every node on the way to what a patch changes is an object or a list.
  const node = keys
    .slice(0, -1)
    .reduce(
      (at, key) => Object.entries(Object(at)).find(([name]) => name === String(key))?.[1],
      root,
    ) as Record<string, unknown>;
  const last = keys.at(-1) ?? "";
  const define = (): unknown =>
    Object.defineProperty(node, last, {
      value,
      writable: true,
      enumerable: true,
      configurable: true,
    });
  if (!Array.isArray(node)) {
    if (op === "remove") delete node[last];
    else define();
  } else if (last === "length") node.length = Number(value);
  else node.splice(Number(last), op === "add" ? 0 : 1, ...(op === "remove" ? [] : [value]));
  return root;
}

/** What was seen over all runs: the property must have met every way of storing. */
const seen = { whole: 0, appended: 0, folded: 0, shrunk: 0 };

/** The file's rows, replayed by other code than the store's, and held to their limits. */
function checkRows(key: string, state: Json | undefined, before: number): number {
  const { row, base, patches } = rowsOf(key);
  const weight = patches.reduce((sum, text) => sum + text.length, 0);
  expect([row.log_count, row.log_size]).toEqual([patches.length, weight]);
  expect(patches.length).toBeLessThanOrEqual(LOG_COUNT_MAX);
  if (base === undefined) {
    expect([patches, row.base_size]).toEqual([[], 0]);
    seen.shrunk += before > 0 ? 1 : 0;
    return 0;
  }
  expect(row.base_size).toBe(base.length);
  expect(weight).toBeLessThan(base.length);
  const replayed = patches
    .flatMap((text) => JSON.parse(text) as Patch[])
    .reduce<unknown>(replay, JSON.parse(base));
  expect(equal(replayed, state)).toBe(true);
  if (patches.length === 0) seen.whole += 1;
  else seen.appended += 1;
  if (patches.length < before) seen.folded += 1;
  return patches.length;
}

async function check(scope: Scope<Bag>, key: string, before: number): Promise<number> {
  const [record] = await reader.load([key]);
  expect(record?.version ?? 0).toBe(scope.version);
  if (record === undefined) return 0;
  if (record.state === undefined) {
    expect(equal(scope.state, initial)).toBe(true);
  } else {
    expect(equal(record.state, JSON.parse(JSON.stringify(encodeState(scope.state))))).toBe(true);
    expect(equal(decodeState(structuredClone<Json>(record.state)), scope.state)).toBe(true);
  }
  return checkRows(key, record.state, before);
}

describe("a large state", () => {
  it("reloaded is the live one after whatever was done to it", { timeout: 120_000 }, async () => {
    let runtime = openRuntime();
    let made = 0;
    const property = fc.asyncProperty(bursts, async (list) => {
      const id = `s${(made += 1)}`;
      const key = encodeKey("holdfast", "bag", id);
      let scope = await runtime.open<Bag>("bag", id);
      await scope.setState({ ...initial, text: "t".repeat(large) });
      let patches = await check(scope, key, 0);
      for (const { list: operations, reopens } of list) {
        const calls = operations.map((each) => kinds[each.kind](scope, each));
        for (const call of await Promise.allSettled(calls))
          if (call.status === "rejected")
            if (!isHoldfastError(call.reason, "STATE_TYPE")) throw call.reason;
        patches = await check(scope, key, patches);
        if (!reopens) continue;
        const { state, version } = scope;
        await runtime.close();
        runtime = openRuntime();
        scope = await runtime.open<Bag>("bag", id);
        expect([equal(scope.state, state), scope.version]).toEqual([true, version]);
      }
    });
    await fc.assert(property, { numRuns: RUNS });
    await runtime.close();
    for (const [way, times] of Object.entries(seen)) expect(times, way).toBeGreaterThan(10);
  });
});

describe("the patches of a large state", () => {
  async function withScope(id: string, work: (scope: Scope<Bag>, key: string) => Promise<void>) {
    await using runtime = openRuntime();
    const scope = await runtime.open<Bag>("bag", id);
    await scope.setState({ ...initial, text: "t".repeat(large) });
    await work(scope, encodeKey("holdfast", "bag", id));
  }

  it("are not kept when they are as large as the state", () =>
    withScope("replaced", async (scope, key) => {
      await scope.incState({ n: 1 });
      await scope.incState({ n: 1 });
      const few = rowsOf(key).patches.length;
      expect(few).toBeGreaterThan(0);
      await scope.patchState({ text: "u".repeat(large) });
      const { patches, base } = rowsOf(key);
      expect([patches, base]).toEqual([[], JSON.stringify(scope.state)]);
    }));

  it("are folded by their number, so that a load stays bounded", () =>
    withScope("counted", async (scope, key) => {
      await scope.patchState({ text: "t".repeat(30 * large) });
      let most = 0;
      let folds = 0;
      for (let before = 0, round = 0; round < LOG_COUNT_MAX + 50; round += 1) {
        await scope.incState({ n: 1 });
        const { row } = rowsOf(key);
        if (row.log_count < before) folds += 1;
        before = row.log_count;
        most = Math.max(most, before);
      }
      expect([most, folds]).toEqual([LOG_COUNT_MAX, 1]);
      await check(scope, key, 0);
    }));

  it("leave with a state that gets small", () =>
    withScope("small", async (scope, key) => {
      for (let round = 0; round < 5; round += 1) await scope.incState({ n: 1 });
      await scope.setState({ ...initial, text: "u".repeat(APART_FROM_CHARS) });
      await scope.setState(initial);
      const [record] = await reader.load([key]);
      expect(record).toEqual({ version: scope.version, state: initial });
      for (let round = 0; round < 9; round += 1)
        await scope.patchState({ value: "v".repeat(4_000 + round) });
      await check(scope, key, 0);
    }));
});
