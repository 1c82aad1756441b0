/** Checks of versions in a batch: what is committed decides, by any owner. */
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { openDatabase } from "../../../../src/stores/sqlite/driver.ts";
import { APART_FROM_CHARS } from "../../../../src/stores/shared/large-records.ts";
import { sqliteStore } from "../../../../src/stores/sqlite/store.ts";
import type { SqliteStoreOptions } from "../../../../src/stores/sqlite/options.ts";
import type { StateStore } from "../../../../src/stores/contract.ts";
import { simulatedClock } from "../../../../src/testing/clock.ts";
import { testDirectory } from "../../../support/directory.ts";

const dir = testDirectory("sqlite-checks");
const write = (key: string, version: number, state: number | undefined = version) => ({
  key,
  expectedVersion: version - 1,
  version,
  state,
});

function open(name: string, options: SqliteStoreOptions = {}): StateStore {
  const store = sqliteStore({ path: join(dir, `${name}.db`), synchronous: "normal", ...options });
  onTestFinished(() => store.close());
  return store;
}

describe("a batch with checks", () => {
  it("answers from what another store object committed, at once", async () => {
    const [store, other] = [open("other"), open("other")];
    await store.commit([write("k", 1)]);
    expect(await store.commit([], { checks: [{ key: "k", expectedVersion: 1 }] })).toEqual([
      { ok: true, version: 1 },
    ]);
    await other.commit([write("k", 2)]);
    expect(await store.commit([], { checks: [{ key: "k", expectedVersion: 1 }] })).toEqual([
      { ok: false, current: { version: 2, state: 2 } },
    ]);
  });

  it("answers from what two store objects commit on one connection", async () => {
    const database = openDatabase(join(dir, "given.db"));
    onTestFinished(() => void database.close());
    const store = sqliteStore({ database });
    const other = sqliteStore({ database });
    await store.commit([write("k", 1)]);
    await other.commit([write("k", 2)]);
    const checks = [{ key: "k", expectedVersion: 1 }];
    expect(await store.commit([], { checks })).toMatchObject([{ ok: false }]);
  });

  it("sees records as they were before its writes, and answers after them", async () => {
    const store = open("before");
    await store.commit([write("k", 1)]);
    const checks = [
      { key: "k", expectedVersion: 1 },
      { key: "k", expectedVersion: 2 },
      { key: "none", expectedVersion: 0 },
      { key: "none", expectedVersion: 3 },
    ];
    expect(await store.commit([write("k", 2)], { checks })).toEqual([
      { ok: true, version: 2 },
      { ok: true, version: 1 },
      { ok: false, current: { version: 1, state: 1 } },
      { ok: true, version: 0 },
      { ok: false, current: undefined },
    ]);
  });

  it("that is atomic writes nothing when a check fails, and says which one", async () => {
    const store = open("atomic");
    await store.commit([write("a", 1), write("b", 1)]);
    const checks = [
      { key: "b", expectedVersion: 1 },
      { key: "b", expectedVersion: 9 },
    ];
    expect(await store.commit([write("a", 2), write("c", 1)], { atomic: true, checks })).toEqual([
      { ok: false, current: { version: 1, state: 1 } },
      { ok: false, current: undefined },
      { ok: true, version: 1 },
      { ok: false, current: { version: 1, state: 1 } },
    ]);
    const held = [{ key: "b", expectedVersion: 1 }];
    expect(await store.commit([write("a", 5)], { atomic: true, checks: held })).toEqual([
      { ok: false, current: { version: 1, state: 1 } },
      { ok: true, version: 1 },
    ]);
    expect(await store.load(["a", "b", "c"])).toMatchObject([
      { version: 1 },
      { version: 1 },
      undefined,
    ]);
  });

  it("shows deleted, expired and large records as a load does", async () => {
    const clock = simulatedClock();
    const store = open("dead", { clock });
    const text = "x".repeat(APART_FROM_CHARS);
    await store.commit([
      { ...write("mortal", 1), ttlMs: 1_000 },
      { key: "large", expectedVersion: 0, version: 4, state: text },
      write("gone", 1),
    ]);
    await store.commit([{ ...write("gone", 2), state: undefined }]);
    await clock.advance(1_000);
    const keys = ["mortal", "large", "gone"];
    const checks = keys.map((key) => ({ key, expectedVersion: 7 }));
    const loaded = await store.load(keys);
    expect(await store.commit([], { checks })).toEqual(
      loaded.map((current) => ({ ok: false, current })),
    );
    expect(loaded).toEqual([
      { version: 1, state: undefined },
      { version: 4, state: text },
      { version: 2, state: undefined },
    ]);
    const right = keys.map((key, at) => ({ key, expectedVersion: [1, 4, 2][at] ?? 0 }));
    expect(await store.commit([], { checks: right })).toMatchObject([
      { ok: true },
      { ok: true },
      { ok: true },
    ]);
  });

  it("of checks alone asks for no writer's lock", async () => {
    const path = join(dir, "reader.db");
    const store = open("reader", { busyTimeoutMs: 0 });
    await store.commit([write("k", 1)]);
    const writer = openDatabase(path);
    writer.exec("BEGIN IMMEDIATE");
    const checks = [{ key: "k", expectedVersion: 1 }];
    expect(await store.commit([], { checks })).toEqual([{ ok: true, version: 1 }]);
    expect(await store.commit([])).toEqual([]);
    writer.exec("ROLLBACK");
    writer.close();
  });

  it("refuses what can be no version", async () => {
    const store = open("bad");
    const checks = (expectedVersion: unknown) => ({
      checks: [{ key: "k", expectedVersion: expectedVersion as number }],
    });
    for (const bad of [-1, 1.5, Number.NaN, "1"])
      await expect(store.commit([write("k", 1)], checks(bad))).rejects.toThrow(RangeError);
    expect(await store.load(["k"])).toEqual([undefined]);
  });
});
