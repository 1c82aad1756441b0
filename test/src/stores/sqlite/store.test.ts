import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Patch } from "../../../../actors/protocol.ts";
import { openDatabase, sqliteCode, toStoreError } from "../../../../src/stores/sqlite/driver.ts";
import { APART_FROM_CHARS, LOG_COUNT_MAX } from "../../../../src/stores/shared/large-records.ts";
import { sqliteStore } from "../../../../src/stores/sqlite/store.ts";
import { testDirectory } from "../../../support/directory.ts";

const dir = testDirectory("sqlite-own");
const text = "x".repeat(APART_FROM_CHARS);
const setN = (n: number): readonly Patch[] => [{ op: "replace", path: ["n"], value: n }];

function count(path: string, table: string): number {
  const database = openDatabase(path);
  const row = database.prepare(`SELECT count(*) AS n FROM ${table}`).get();
  database.close();
  return (row as { n: number }).n;
}

describe("the file", () => {
  it("is made whole, with nothing left beside it", async () => {
    const path = join(dir, "made", "store.db");
    const store = sqliteStore({ path });
    expect(existsSync(path)).toBe(false);
    await store.load(["k"]);
    expect(statSync(path).size).toBeGreaterThan(0);
    expect(readdirSync(join(dir, "made")).filter((name) => name.includes("new"))).toEqual([]);
    await store.close();
  });

  it("is opened by several stores at once", async () => {
    const path = join(dir, "several.db");
    const stores = Array.from({ length: 5 }, () => sqliteStore({ path }));
    const answers = await Promise.all(stores.map((store) => store.load(["k"])));
    expect(answers).toEqual(stores.map(() => [undefined]));
    await Promise.all(stores.map((store) => store.close()));
  });

  it.each([
    ["empty", ""],
    ["text", "this is not a database, though it is long enough to be one".repeat(100)],
  ])("that is %s is reported as damaged and kept", async (name, content) => {
    const path = join(dir, `${name}.db`);
    writeFileSync(path, content);
    const store = sqliteStore({ path });
    await expect(store.load(["k"])).rejects.toMatchObject({
      code: "CORRUPT_STATE",
      location: path,
    });
    await store.close();
    expect(readFileSync(path, "utf8")).toBe(content);
  });

  it("of a later version is refused", async () => {
    const path = join(dir, "later.db");
    const first = sqliteStore({ path });
    await first.load(["k"]);
    await first.close();
    const database = openDatabase(path);
    database.exec("UPDATE holdfast_meta SET value = 99");
    database.close();
    const store = sqliteStore({ path });
    await expect(store.load(["k"])).rejects.toMatchObject({
      code: "STORE_UNAVAILABLE",
      message: expect.stringContaining("version 99"),
    });
    await store.close();
  });

  it("that stays locked is a typed error after the time given, and works when it is free", async () => {
    const path = join(dir, "locked.db");
    const store = sqliteStore({ path, busyTimeoutMs: 50 });
    await store.load(["k"]);
    const other = openDatabase(path);
    other.exec("BEGIN IMMEDIATE");
    const write = { key: "k", expectedVersion: 0, version: 1, state: 1 };
    await expect(store.commit([write])).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    other.exec("ROLLBACK");
    other.close();
    expect(await store.commit([write])).toEqual([{ ok: true, version: 1 }]);
    await store.close();
  });

  it("must be named", () => {
    expect(() => sqliteStore({})).toThrow(TypeError);
    expect(() => sqliteStore({ path: "" })).toThrow(TypeError);
  });
});

describe("large records", () => {
  it("are changed by their patches alone: the state is not read", async () => {
    const path = join(dir, "large.db");
    const store = sqliteStore({ path });
    await store.commit([{ key: "k", expectedVersion: 0, version: 1, state: { n: 1, text } }]);
    for (let version = 2; version <= 20; version += 1) {
      const write = { key: "k", expectedVersion: version - 1, version, patches: setN(version) };
      const lazy = Object.defineProperty({ ...write, state: undefined }, "state", {
        get: () => expect.unreachable(),
      });
      expect(await store.commit([lazy])).toEqual([{ ok: true, version }]);
      const stale = await store.commit([lazy]);
      expect(stale[0]).toMatchObject({ ok: false, current: { version } });
    }
    expect(await store.load(["k"])).toEqual([{ version: 20, state: { n: 20, text } }]);
    await store.close();
    expect(count(path, "holdfast_patch")).toBe(19);
  });

  it("are folded when their log is as large as their state, or has many patches", async () => {
    const path = join(dir, "folded.db");
    const store = sqliteStore({ path });
    let version = 1;
    const big = text.repeat(30);
    await store.commit([{ key: "k", expectedVersion: 0, version, state: { n: 1, text: big } }]);
    for (let round = 0; round < LOG_COUNT_MAX + 10; round += 1) {
      const state = { n: version + 1, text: big };
      const patches = setN(version + 1);
      await store.commit([
        { key: "k", expectedVersion: version, version: version + 1, state, patches },
      ]);
      version += 1;
    }
    expect(await store.load(["k"])).toEqual([{ version, state: { n: version, text: big } }]);
    await store.close();
    expect(count(path, "holdfast_patch")).toBeLessThan(20);
  });

  it.each([
    ["as large as the state are not kept", 0, 0],
    ["one character smaller are kept", 1, 1],
  ])("a change whose patches are %s", async (name, less, kept) => {
    const path = join(dir, `${name}.db`);
    const store = sqliteStore({ path });
    const first = { text };
    await store.commit([{ key: "k", expectedVersion: 0, version: 1, state: first }]);
    const patchOf = (value: string): Patch[] => [{ op: "add", path: ["n"], value }];
    const frame = JSON.stringify(patchOf("")).length;
    const value = "n".repeat(JSON.stringify(first).length - frame - less);
    const write = { key: "k", expectedVersion: 1, version: 2, state: { text, n: value } };
    await store.commit([{ ...write, patches: patchOf(value) }]);
    expect(await store.load(["k"])).toEqual([{ version: 2, state: { text, n: value } }]);
    await store.close();
    expect(count(path, "holdfast_patch")).toBe(kept);
  });

  it("leave no rows behind when they shrink or go", async () => {
    const path = join(dir, "shrink.db");
    const store = sqliteStore({ path });
    for (const [key, last] of [
      ["a", { n: 3 }],
      ["b", undefined],
    ] as const) {
      await store.commit([{ key, expectedVersion: 0, version: 1, state: { n: 1, text } }]);
      const state = { n: 2, text };
      await store.commit([{ key, expectedVersion: 1, version: 2, state, patches: setN(2) }]);
      await store.commit([{ key, expectedVersion: 2, version: 3, state: last }]);
    }
    await store.close();
    expect([count(path, "holdfast_patch"), count(path, "holdfast_base")]).toEqual([0, 0]);
  });

  it.each([
    ["a missing patch", "DELETE FROM holdfast_patch WHERE version = 3"],
    ["a missing last patch", "DELETE FROM holdfast_patch WHERE version = 4"],
    ["a missing base", "DELETE FROM holdfast_base"],
    ["a changed patch", "UPDATE holdfast_patch SET patches = replace(patches, '3', '5')"],
    ["a changed base", "UPDATE holdfast_base SET state = replace(state, 'xx', 'xy')"],
    ["a changed version", "UPDATE holdfast_record SET version = 5"],
    ["a lost form", "UPDATE holdfast_record SET form = 0"],
  ])("with %s are reported, and other keys go on", async (name, sql) => {
    const path = join(dir, `${name.replaceAll(" ", "-")}.db`);
    const store = sqliteStore({ path });
    await store.commit([{ key: "k", expectedVersion: 0, version: 1, state: { n: 1, text } }]);
    for (let version = 2; version <= 4; version += 1) {
      const write = { key: "k", expectedVersion: version - 1, version, state: null };
      await store.commit([{ ...write, patches: setN(version) }]);
    }
    const database = openDatabase(path);
    database.exec(sql);
    database.close();
    await expect(store.load(["k"])).rejects.toMatchObject({
      code: "CORRUPT_STATE",
      location: expect.stringContaining('key "k"'),
    });
    await store.commit([{ key: "other", expectedVersion: 0, version: 1, state: 1 }]);
    expect(await store.load(["other"])).toEqual([{ version: 1, state: 1 }]);
    await store.close();
  });
});

describe("errors of the three libraries", () => {
  const make = (fields: object): Error => Object.assign(new Error("failed"), fields);

  it("mean the same", () => {
    for (const fields of [
      { code: "SQLITE_IOERR_WRITE" },
      { code: "SQLITE_IOERR", rawCode: 778 },
      { code: "ERR_SQLITE_ERROR", errcode: 778 },
    ])
      expect(sqliteCode(make(fields))).toBe(10);
    expect(sqliteCode(make({ code: "ENOENT" }))).toBeUndefined();
    expect(sqliteCode("text")).toBeUndefined();
  });

  it("of the file system become errors of the library", () => {
    const cause = make({ code: "EACCES" });
    expect(toStoreError(cause, "/somewhere")).toMatchObject({ code: "STORE_UNAVAILABLE", cause });
  });
});
