import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createAttempt } from "../../../../src/stores/sqlite/busy.ts";
import { openDatabase, type SqliteDatabase } from "../../../../src/stores/sqlite/driver.ts";
import { sqliteStore } from "../../../../src/stores/sqlite/store.ts";
import type { StateStore } from "../../../../src/stores/contract.ts";
import { testDirectory } from "../../../support/directory.ts";

const dir = testDirectory("sqlite-busy");
const REFUSED = { code: "STORE_UNAVAILABLE", message: expect.stringContaining("locked for 0 ms") };
const write = (key: string, version: number) => ({
  key,
  expectedVersion: version - 1,
  version,
  state: version,
});

/** A store that answers at once when it is locked out, and another connection to lock it out. */
interface Rivals {
  readonly store: StateStore;
  readonly own: SqliteDatabase;
  readonly rival: SqliteDatabase;
  readonly close: () => Promise<void>;
}

async function openRivals(name: string, journal: "WAL" | "DELETE" = "WAL"): Promise<Rivals> {
  const path = join(dir, `${name}.db`);
  const own = openDatabase(path);
  const store = sqliteStore({ database: own, busyTimeoutMs: 0 });
  await store.commit([write("k", 1)]);
  await store.commit([write("other", 1)]);
  own.exec(`PRAGMA journal_mode = ${journal}`);
  const rival = openDatabase(path);
  const close = async (): Promise<void> => {
    await store.close();
    own.close();
    rival.close();
  };
  return { store, own, rival, close };
}

const operations: readonly (readonly [string, (store: StateStore) => Promise<unknown>])[] = [
  ["an update", (store) => store.commit([write("k", 2)])],
  ["an insert", (store) => store.commit([write("new", 1)])],
  ["a batch", (store) => store.commit([write("k", 2), write("new", 1)])],
  [
    "an exclusive turn",
    async (store) => store.exclusive?.("k", 60_000, () => Promise.resolve("ran")),
  ],
];
const reads: typeof operations = [
  ["a load", (store) => store.load(["k"])],
  [
    "a list",
    async (store) => {
      for await (const key of store.list()) expect(key).toBeTypeOf("string");
    },
  ],
];

describe("a connection that was locked out by a writer", () => {
  it.each(operations)("in %s reads what is new and writes on", async (name, operate) => {
    const { store, rival, close } = await openRivals(name);
    rival.exec("BEGIN IMMEDIATE; UPDATE holdfast_record SET log_count = 1");
    await expect(operate(store)).rejects.toMatchObject(REFUSED);
    rival.exec("COMMIT");
    for (const key of ["other", "k", "new"]) await store.load([key]);

    const second = sqliteStore({ database: rival });
    expect(await second.commit([write("other", 2)])).toEqual([{ ok: true, version: 2 }]);
    expect(await store.load(["other"])).toEqual([{ version: 2, state: 2 }]);
    expect(await store.commit([write("other", 3)])).toEqual([{ ok: true, version: 3 }]);
    await operate(store);
    expect(await second.load(["other"])).toEqual([{ version: 3, state: 3 }]);
    await second.close();
    await close();
  });
});

// A writer keeps readers out in WAL mode only while it recovers the log; without WAL, always.
describe("a connection that was locked out by a writer without WAL", () => {
  it.each([...reads, ...operations])("in %s holds nothing", async (name, operate) => {
    const { store, rival, close } = await openRivals(`no-wal-${name}`, "DELETE");
    rival.exec("BEGIN EXCLUSIVE; UPDATE holdfast_record SET log_count = 1");
    await expect(operate(store)).rejects.toMatchObject(REFUSED);
    rival.exec("COMMIT");
    for (const [, read] of reads) await read(store);
    rival.exec("BEGIN EXCLUSIVE; COMMIT");
    await operate(store);
    rival.exec("BEGIN EXCLUSIVE; COMMIT");
    await close();
  });

  it.each(operations)("at the end of %s holds nothing and wrote nothing", async (name, operate) => {
    const { store, rival, close } = await openRivals(`at-end-${name}`, "DELETE");
    rival.exec("BEGIN; SELECT * FROM holdfast_record");
    await expect(operate(store)).rejects.toMatchObject(REFUSED);
    rival.exec("COMMIT");
    expect(await store.load(["k", "new"])).toEqual([{ version: 1, state: 1 }, undefined]);
    rival.exec("BEGIN EXCLUSIVE; COMMIT");
    await operate(store);
    await close();
  });
});

describe("operations that find the file locked", () => {
  const path = "store.db";
  const busy = Object.assign(new Error("database is locked"), { errcode: 5 });

  it("ask for the lock once for all, and follow in their order", async () => {
    const attempt = createAttempt({ path, busyTimeoutMs: 60_000 });
    let locked = true;
    let asked = 0;
    const done: number[] = [];
    const running = Array.from({ length: 100 }, (_, index) =>
      attempt(() => {
        asked += 1;
        if (asked === 3) locked = false;
        if (locked) throw busy;
        done.push(index);
      }),
    );
    await Promise.all(running);
    expect(done).toEqual(Array.from({ length: 100 }, (_, index) => index));
    expect(asked).toBe(102);
  });

  it("all fail after the time given, each with the cause", async () => {
    const attempt = createAttempt({ path, busyTimeoutMs: 1 });
    const running = Array.from({ length: 100 }, () =>
      attempt(() => {
        throw busy;
      }),
    );
    const failures = await Promise.allSettled(running);
    for (const failure of failures) {
      expect(failure).toMatchObject({
        status: "rejected",
        reason: { code: "STORE_UNAVAILABLE", cause: busy },
      });
    }
    expect(await attempt(() => "free")).toBe("free");
  });

  it("do not try again what fails for another reason", async () => {
    const attempt = createAttempt({ path, busyTimeoutMs: 60_000 });
    const full = Object.assign(new Error("disk full"), { code: "SQLITE_FULL" });
    await expect(
      attempt(() => {
        throw full;
      }),
    ).rejects.toMatchObject({ code: "STORE_UNAVAILABLE", cause: full });
  });
});
