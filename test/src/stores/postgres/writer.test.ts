/** Batches in which something fails after something else took effect. */
import { afterAll, describe, expect, it, onTestFinished } from "vitest";
import type { Patch } from "../../../../actors/protocol.ts";
import { createRuntime } from "../../../../src/runtime/runtime.ts";
import type { PostgresStoreOptions } from "../../../../src/stores/postgres/options.ts";
import { APART_FROM_CHARS } from "../../../../src/stores/shared/large-records.ts";
import { postgresStore } from "../../../../src/stores/postgres/store.ts";
import type { ScopeWrite, StateStore } from "../../../../src/stores/contract.ts";
import { dropTables, findPostgres, freshTable, runSql } from "../../../support/postgres.ts";

const found = await findPostgres();
const url = found ?? "postgres://127.0.0.1/none";
const table = freshTable();
const text = "x".repeat(APART_FROM_CHARS);
const setN = (n: number): readonly Patch[] => [{ op: "replace", path: ["n"], value: n }];
const unknown = { code: "COMMIT_UNKNOWN" };

function open(options: Partial<PostgresStoreOptions> = {}): StateStore {
  const store = postgresStore({ url, table, ...options });
  onTestFinished(() => store.close());
  return store;
}

function step(key: string, version: number, more: Partial<ScopeWrite> = {}): ScopeWrite {
  return { key, expectedVersion: version - 1, version, state: { n: version }, ...more };
}

/** A large record whose log is full, so that the next patch has to be folded. */
async function fullLog(store: StateStore, key: string): Promise<void> {
  await store.commit([step(key, 1, { state: { n: 1, text } })]);
  await runSql(url, `UPDATE ${table}_record SET log_size = base_size WHERE key = '${key}'`);
}

describe.skipIf(found === undefined)("a batch of which something took effect", () => {
  afterAll(() => dropTables(url, table));

  it("W4, W5: is unknown when a record is damaged, which spoils one batch only", async () => {
    const store = open();
    await store.commit([step("a", 1), step("damaged", 1)]);
    await runSql(url, `UPDATE ${table}_record SET version = 9, state = '{' WHERE key = 'damaged'`);
    const batch = (version: number): ScopeWrite[] => [step("a", version), step("damaged", 2)];
    await expect(store.commit(batch(2))).rejects.toMatchObject(unknown);
    expect(await store.load(["a"])).toEqual([{ version: 2, state: { n: 2 } }]);
    const damaged = { code: "CORRUPT_STATE", message: expect.stringContaining('"damaged"') };
    for (let time = 1; time <= 2; time += 1)
      await expect(store.commit(batch(3))).rejects.toMatchObject(damaged);
    expect(await store.load(["a"])).toEqual([{ version: 2, state: { n: 2 } }]);
    await runSql(url, `UPDATE ${table}_record SET version = 1, state = '{}' WHERE key = 'damaged'`);
    const results = await store.commit(batch(3));
    expect(results.map(({ ok }) => ok)).toEqual([true, true]);
  });

  it("W4: is not applied again by a runtime, whose batch a damaged record spoils", async () => {
    const runtime = createRuntime({ store: open() });
    onTestFinished(() => runtime.close());
    const [a, b] = await Promise.all([runtime.open("user", "a"), runtime.open("user", "b")]);
    const add = (scope: typeof a): Promise<string> =>
      scope
        .atomicState((state) => ({ ...state, n: Number(state["n"] ?? 0) + 1 }))
        .then(
          () => "ok",
          (error: unknown) => String(Object(error).code),
        );
    await Promise.all([add(a), add(b)]);
    await runSql(url, `UPDATE ${table}_record SET version = 9, state = '{' WHERE key LIKE '%/b'`);
    const outcomes = await Promise.all([add(a), add(b)]);
    expect(outcomes).toEqual(["COMMIT_UNKNOWN", "COMMIT_UNKNOWN"]);
    const [row] = await runSql(url, `SELECT state FROM ${table}_record WHERE key LIKE '%/a'`);
    expect(String(row?.["state"])).toContain('"n":2');
  });

  it("W4: is unknown when the server refuses a later statement", async () => {
    const store = open();
    await store.commit([step("first", 1)]);
    await fullLog(store, "refused");
    const rule = "CHECK (key <> 'refused' OR length(state) < 9000)";
    await runSql(url, `ALTER TABLE ${table}_record ADD CONSTRAINT small ${rule}`);
    onTestFinished(async () => {
      await runSql(url, `ALTER TABLE ${table}_record DROP CONSTRAINT small`);
    });
    const state = { n: 2, text: text + text };
    const batch = [step("first", 2), step("refused", 2, { state, patches: setN(2) })];
    await expect(store.commit(batch)).rejects.toMatchObject(unknown);
    expect(await store.load(["first"])).toEqual([{ version: 2, state: { n: 2 } }]);
  });

  it("W5: a log that cannot be folded spoils one batch only, also when it is loaded between", async () => {
    const store = open({ maxStateBytes: 10_000 });
    await store.commit([step("small", 1)]);
    await fullLog(store, "grown");
    const state = { n: 2, text: text + text };
    const batch = (version: number): ScopeWrite[] => [
      step("small", version),
      step("grown", 2, { state, patches: setN(2) }),
    ];
    await expect(store.commit(batch(2))).rejects.toMatchObject(unknown);
    for (let time = 1; time <= 2; time += 1) {
      await store.load(["grown"]);
      await expect(store.commit(batch(3))).rejects.toMatchObject({ code: "STATE_TOO_LARGE" });
    }
    expect(await store.load(["small"])).toEqual([{ version: 2, state: { n: 2 } }]);
    const [record] = await store.load(["grown"]);
    expect(record?.version).toBe(1);
  });

  it("W4: has no part in an atomic one, whose failure is definite", async () => {
    const store = open();
    await store.commit([step("whole", 1), step("part", 1)]);
    await runSql(url, `UPDATE ${table}_record SET version = 9, state = '{' WHERE key = 'part'`);
    const batch = [step("whole", 2), step("part", 2)];
    const damaged = { code: "CORRUPT_STATE" };
    await expect(store.commit(batch, { atomic: true })).rejects.toMatchObject(damaged);
    expect(await store.load(["whole"])).toEqual([{ version: 1, state: { n: 1 } }]);
  });
});
