import { randomBytes } from "node:crypto";
import { Client, Pool } from "pg";
import { afterAll, describe, expect, it, onTestFinished, vi } from "vitest";
import type { Patch } from "../../../../actors/protocol.ts";
import type { PostgresStoreOptions } from "../../../../src/stores/postgres/options.ts";
import { postgresSchema } from "../../../../src/stores/postgres/schema.ts";
import { APART_FROM_CHARS, LOG_COUNT_MAX } from "../../../../src/stores/shared/large-records.ts";
import { postgresStore } from "../../../../src/stores/postgres/store.ts";
import type { ScopeWrite, StateStore } from "../../../../src/stores/contract.ts";
import { dropTables, findPostgres, freshTable, runSql } from "../../../support/postgres.ts";

const found = await findPostgres();
const url = found ?? "postgres://127.0.0.1/none";
const table = freshTable();
const text = "x".repeat(APART_FROM_CHARS);
const setN = (n: number): readonly Patch[] => [{ op: "replace", path: ["n"], value: n }];

function open(options: PostgresStoreOptions = { url }): StateStore {
  const store = postgresStore({ table, ...options });
  onTestFinished(() => store.close());
  return store;
}

function step(key: string, version: number, more: Partial<ScopeWrite>): ScopeWrite {
  return { key, expectedVersion: version - 1, version, state: undefined, ...more };
}

async function patchCount(key: string): Promise<number> {
  const [row] = await runSql(
    url,
    `SELECT count(*)::int AS n FROM ${table}_patch WHERE key = '${key}'`,
  );
  return Number(row?.["n"]);
}

describe("options", () => {
  it.each([
    {},
    { url, pool: new Pool() },
    { url: "127.0.0.1:5432" },
    { url: "postgres://user:secret@:x/db" },
    { url, table: "Robert'; DROP TABLE students; --" },
    { url, table: "a.b.c" },
    { url, table: "x".repeat(41) },
  ])("that do not fit are a TypeError: %j", (options) => {
    expect(() => postgresStore(options)).toThrow(TypeError);
    expect(() => postgresStore(options)).not.toThrow("secret");
  });

  it.each([
    { timeoutMs: Number.NaN },
    { timeoutMs: 0 },
    { poolSize: Number.NaN },
    { poolSize: -1 },
    { maxStateBytes: Number.NaN },
  ])("that are no number are a RangeError: %j", (options) => {
    expect(() => postgresStore({ url, ...options })).toThrow(RangeError);
  });

  it("name the tables in the shipped schema", () => {
    expect(() => postgresSchema("a b")).toThrow(TypeError);
    expect(postgresSchema("app.states")).toContain('"app"."states_record"');
  });
});

describe.skipIf(found === undefined)("on PostgreSQL", () => {
  afterAll(() => dropTables(url, table));

  it("a large record is changed by its patches alone: the state is not read", async () => {
    const store = open();
    await store.commit([step("alone", 1, { state: { n: 1, text } })]);
    for (let version = 2; version <= 20; version += 1) {
      const lazy = Object.defineProperty(
        step("alone", version, { patches: setN(version) }),
        "state",
        {
          get: () => expect.unreachable(),
        },
      );
      expect(await store.commit([lazy])).toEqual([{ ok: true, version }]);
      const stale = await store.commit([lazy]);
      expect(stale[0]).toMatchObject({
        ok: false,
        current: { version, state: { n: version, text } },
      });
    }
    expect(await patchCount("alone")).toBe(19);
    expect(await open().load(["alone"])).toEqual([{ version: 20, state: { n: 20, text } }]);
  });

  it("a store that never saw a large record appends to it all the same", async () => {
    await open().commit([step("fresh", 1, { state: { n: 1, text } })]);
    await open().commit([step("fresh", 2, { state: { n: 2, text }, patches: setN(2) })]);
    expect(await patchCount("fresh")).toBe(1);
  });

  it("a log with many patches, or larger than its state, is folded", async () => {
    const store = open();
    await store.commit([step("many", 1, { state: { n: 1, text: text.repeat(30) } })]);
    for (let version = 2; version <= LOG_COUNT_MAX + 10; version += 1) {
      const state = { n: version, text: text.repeat(30) };
      await store.commit([step("many", version, { state, patches: setN(version) })]);
    }
    expect(await patchCount("many")).toBeLessThan(20);
    await store.commit([step("wide", 1, { state: { n: 1, text } })]);
    const patches: Patch[] = [{ op: "replace", path: ["text"], value: text }];
    await store.commit([step("wide", 2, { state: { n: 1, text }, patches })]);
    expect(await patchCount("wide")).toBe(0);
  });

  it("the same key several times in a batch is written in order", async () => {
    const store = open();
    const batch = [1, 2, 3, 5, 4].map((version) => step("same", version, { state: version }));
    const results = await store.commit(batch);
    expect(results.map(({ ok }) => ok)).toEqual([true, true, true, false, true]);
    expect(results[3]).toMatchObject({ current: { version: 3, state: 3 } });
    const more = [5, 6].map((version) => step("same", version, { state: version }));
    expect(await store.commit(more, { atomic: true })).toEqual([
      { ok: true, version: 5 },
      { ok: true, version: 6 },
    ]);
  });

  it("batches that meet in other orders do not stand in each other's way", async () => {
    const store = open();
    const keys = Array.from({ length: 50 }, (_, at) => `meet${at}`);
    await store.commit(keys.map((key) => step(key, 1, { state: 0 })));
    const rounds = Array.from({ length: 20 }, async (_, round) => {
      const order = round % 2 === 0 ? keys : keys.toReversed();
      const results = await store.commit(order.map((key) => step(key, 2, { state: round })));
      return results.filter(({ ok }) => ok).length;
    });
    const won = await Promise.all(rounds);
    expect(won.reduce((sum, count) => sum + count, 0)).toBe(keys.length);
  });

  it("a state or change over the limit is refused before it is sent", async () => {
    const store = open({ url, maxStateBytes: 20_000 });
    const large = step("limit", 1, { state: { text: text.repeat(3) } });
    await expect(store.commit([step("other", 1, { state: 1 }), large])).rejects.toMatchObject({
      code: "STATE_TOO_LARGE",
      limitBytes: 20_000,
    });
    expect(await store.load(["limit", "other"])).toEqual([undefined, undefined]);
  });

  it("a key that no index holds harms no neighbour", async () => {
    const store = open();
    const long = step(randomBytes(2_100).toString("base64"), 1, { state: 1 });
    const refused = {
      code: "STATE_NOT_SERIALIZABLE",
      message: expect.stringContaining("a key too long"),
    };
    await expect(store.commit([long])).rejects.toMatchObject(refused);
    await expect(store.exclusive?.(long.key, 100, async () => 1)).rejects.toMatchObject(refused);
    expect(await store.load([long.key])).toEqual([undefined]);
    const many = Array.from({ length: 250 }, (_, n) => step(`beside ${n}`, 1, { state: n }));
    await expect(store.commit([...many, long])).rejects.toMatchObject(refused);
    expect(await store.load(["beside 0", "beside 249"])).toEqual([undefined, undefined]);
    const plain = step("x".repeat(5_000), 1, { state: 1 });
    expect(await store.commit([plain])).toEqual([{ ok: true, version: 1 }]);
    const longest = step(randomBytes(1_950).toString("base64"), 1, { state: { n: 1, text } });
    await store.commit([longest]);
    const patches = setN(2);
    const next = step(longest.key, 2, { state: { n: 2, text }, patches });
    expect(await store.commit([next])).toEqual([{ ok: true, version: 2 }]);
  });

  it.each([
    ["state", "UPDATE t_record SET state = '{' WHERE key = 'broken'"],
    ["a step", "DELETE FROM t_patch WHERE key = 'broken' AND version = 3"],
    ["the last step", "DELETE FROM t_patch WHERE key = 'broken' AND version = 4"],
    ["a patch", "UPDATE t_patch SET patches = '[{}]' WHERE key = 'broken' AND version = 3"],
  ])("damage is told and left alone: %s", async (_name, sql) => {
    const store = open();
    await store.commit([step("broken", 1, { state: { n: 1, text } })]);
    for (let version = 2; version <= 4; version += 1)
      await store.commit([step("broken", version, { state: 0, patches: setN(version) })]);
    await runSql(url, sql.replaceAll("t_", `${table}_`));
    const notified = { code: "CORRUPT_STATE", message: expect.stringContaining('key "broken"') };
    await expect(store.load(["broken"])).rejects.toMatchObject(notified);
    await expect(store.commit([step("broken", 9, { state: 1 })])).rejects.toMatchObject(notified);
    const rows = await runSql(url, `DELETE FROM ${table}_record WHERE key = 'broken' RETURNING 1`);
    expect(rows).toHaveLength(1);
    await runSql(url, `DELETE FROM ${table}_patch WHERE key = 'broken'`);
  });

  it("whoever watches hears of a transaction that began early and ends late", async () => {
    const [watching, writing] = [open(), open()];
    await writing.commit([step("late", 1, { state: 1 })]);
    const observed = new Map<string, number>();
    const slow = new Client({ connectionString: url });
    await slow.connect();
    onTestFinished(() => slow.end());
    await slow.query("BEGIN");
    await slow.query(
      `UPDATE ${table}_record SET version = 2, ops = ARRAY['1.slow-1'], ` +
        "changed = pg_current_xact_id() WHERE key = 'late'",
    );
    await watching.watch?.((key, version) => observed.set(key, version));
    for (const key of ["early", "later"]) {
      await writing.commit([step(key, 1, { state: 1 })]);
      await vi.waitFor(() => expect(observed.get(key)).toBe(1), 10_000);
    }
    expect(observed.has("late")).toBe(false);
    await slow.query("COMMIT");
    await vi.waitFor(() => expect(observed.get("late")).toBe(2), 10_000);
  });

  it("a lease leaves no row behind under a key that was never written", async () => {
    const store = open();
    await store.exclusive?.("never", 1_000, async () => 1);
    expect(await runSql(url, `SELECT 1 FROM ${table}_record WHERE key = 'never'`)).toEqual([]);
  });

  it("a given pool's connection that somebody cleared is replaced", async () => {
    const pool = new Pool({ connectionString: url, max: 1 });
    const store = postgresStore({ pool, table });
    await store.commit([step("cleared", 1, { state: 1 })]);
    await pool.query("DISCARD ALL");
    expect(await store.load(["cleared"])).toEqual([{ version: 1, state: 1 }]);
    await pool.query("DISCARD ALL");
    const batch = [step("cleared", 2, { state: 2 })];
    expect(await store.commit(batch, { atomic: true })).toEqual([{ ok: true, version: 2 }]);
    await pool.query("DISCARD ALL");
    expect(await store.commit([step("cleared", 3, {})])).toEqual([{ ok: true, version: 3 }]);
    await store.close();
    await pool.end();
  });

  it("a given pool stays open, and its idle connections may break", async () => {
    const pool = new Pool({ connectionString: url, application_name: table });
    const store = postgresStore({ pool, table });
    await store.commit([step("pool", 1, { state: 1 })]);
    await runSql(
      url,
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '${table}'`,
    );
    expect(await store.load(["pool"])).toEqual([{ version: 1, state: 1 }]);
    await store.close();
    await pool.query("SELECT 1");
    await pool.end();
  });
});
