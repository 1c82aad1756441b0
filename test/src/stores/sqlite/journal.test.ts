/** The journal a file has: by the SQLite that made it, and by how many processes may open it. */
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { isWalSound, sqliteVersion } from "../../../../src/stores/sqlite/build.ts";
import { openDatabase, type SqliteDatabase } from "../../../../src/stores/sqlite/driver.ts";
import { journalMode } from "../../../../src/stores/sqlite/files.ts";
import { sqliteStore } from "../../../../src/stores/sqlite/store.ts";
import type { SqliteStoreOptions } from "../../../../src/stores/sqlite/options.ts";
import type { StateStore } from "../../../../src/stores/contract.ts";
import { testDirectory } from "../../../support/directory.ts";
import { keepingLogger } from "../../../support/waiting.ts";

const dir = testDirectory("sqlite-journal");
const memory = openDatabase(":memory:");
const isSound = isWalSound(sqliteVersion(memory));
memory.close();
/** What the header of a file made here says: the kind of rollback journal is not in the file. */
const MADE = isSound ? "wal" : "delete";
const write = (key: string, version = 1) => ({
  key,
  expectedVersion: version - 1,
  version,
  state: version,
});

function open(name: string, options: SqliteStoreOptions = {}): StateStore {
  const store = sqliteStore({ path: join(dir, `${name}.db`), synchronous: "normal", ...options });
  onTestFinished(() => store.close());
  return store;
}

function raw(name: string): SqliteDatabase {
  const database = openDatabase(join(dir, `${name}.db`));
  onTestFinished(() => {
    try {
      database.close();
    } catch {
      // The test closed it.
    }
  });
  return database;
}

function modeOf(name: string): string {
  const database = openDatabase(join(dir, `${name}.db`));
  const mode = journalMode(database);
  database.close();
  return mode;
}

/** A file of a store in the given mode, with one record. */
async function made(name: string, mode: "WAL" | "DELETE"): Promise<void> {
  const store = sqliteStore({ path: join(dir, `${name}.db`), logger: keepingLogger() });
  await store.commit([write("k")]);
  await store.close();
  const database = raw(name);
  database.exec(`PRAGMA journal_mode = ${mode}`);
  expect(journalMode(database)).toBe(mode.toLowerCase());
  database.close();
}

describe("a file for several processes", () => {
  it("has the journal that is sound on this SQLite, and nothing is warned of", async () => {
    const logger = keepingLogger();
    const [store, other] = [open("new", { logger }), open("new", { logger })];
    await store.commit([write("a")]);
    await other.commit([write("b")]);
    expect(modeOf("new")).toBe(MADE);
    expect(await store.load(["b"])).toEqual([{ version: 1, state: 1 }]);
    expect(logger.lines).toEqual([]);
  });

  it("keeps a rollback journal that it has: another SQLite may have it open", async () => {
    await made("rollback", "DELETE");
    const store = open("rollback");
    await store.commit([write("k", 2)]);
    expect(modeOf("rollback")).toBe("delete");
  });

  it("keeps its WAL, and says once what is wrong with that on this SQLite", async () => {
    await made("wal", "WAL");
    const logger = keepingLogger();
    const store = open("wal", { logger });
    await store.commit([write("k", 2)]);
    await store.load(["k"]);
    expect(modeOf("wal")).toBe("wal");
    const warned = isSound ? [] : [{ message: expect.stringContaining("walresetbug") }];
    expect(logger.lines).toMatchObject(warned);
  });

  it("is not folded in at close while another connection is there", async () => {
    await made("close", "WAL");
    const other = raw("close");
    other.exec("SELECT 1 FROM holdfast_meta");
    const store = open("close", { logger: keepingLogger() });
    await store.commit([write("k", 2)]);
    const log = join(dir, "close.db-wal");
    const { size } = statSync(log);
    expect(size).toBeGreaterThan(0);
    await store.close();
    expect(statSync(log).size).toBe(size);
  });
});

describe("a file for one process", () => {
  const busy = (ms: number) => ({
    code: "STORE_UNAVAILABLE",
    message: expect.stringMatching(new RegExp(`locked for ${ms} ms.*processes: "one"`)),
  });

  it("keeps others out while it is open, and lets them in afterwards", async () => {
    const store = open("one", { processes: "one" });
    await store.commit([write("k")]);
    for (const processes of ["one", "several"] as const) {
      const other = open("one", { processes, busyTimeoutMs: 10 });
      await expect(other.load(["k"])).rejects.toMatchObject(busy(10));
      await expect(other.commit([write("k", 2)])).rejects.toMatchObject(busy(10));
    }
    expect(await store.commit([write("k", 2)])).toEqual([{ ok: true, version: 2 }]);
    await store.close();
    const next = open("one");
    expect(await next.load(["k"])).toEqual([{ version: 2, state: 2 }]);
    expect(await next.commit([write("k", 3)])).toEqual([{ ok: true, version: 3 }]);
  });

  it("is refused while others have it open", async () => {
    const several = open("held");
    await several.commit([write("k")]);
    // Between its transactions a connection with a rollback journal holds no lock.
    const holder = raw("held");
    holder.exec("BEGIN; SELECT * FROM holdfast_record");
    const store = open("held", { processes: "one", busyTimeoutMs: 10 });
    await expect(store.load(["k"])).rejects.toMatchObject(busy(10));
    holder.exec("COMMIT");
  });

  it("warns of nothing, and leaves a file in the mode that is right for several", async () => {
    for (const mode of ["WAL", "DELETE"] as const) {
      await made(`turn-${mode}`, mode);
      const logger = keepingLogger();
      const store = open(`turn-${mode}`, { processes: "one", logger });
      expect(await store.commit([write("k", 2)])).toEqual([{ ok: true, version: 2 }]);
      await store.close();
      expect(logger.lines).toEqual([]);
      expect(modeOf(`turn-${mode}`)).toBe(MADE);
      expect(existsSync(join(dir, `turn-${mode}.db-journal`))).toBe(false);
    }
  });

  it("is an option of files alone, and has two values", () => {
    const database = openDatabase(":memory:");
    expect(() => sqliteStore({ database, processes: "one" })).toThrow(TypeError);
    expect(() => sqliteStore({ path: "a.db", processes: "two" as never })).toThrow(RangeError);
    database.close();
  });
});
