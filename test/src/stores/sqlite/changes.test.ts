/** How the sqlite store watches a file: what it leaves there, what it misses, and when it stops. */
import { execFile } from "node:child_process";
import { renameSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { openDatabase, type SqliteDatabase } from "../../../../src/stores/sqlite/driver.ts";
import { POLL_MS } from "../../../../src/stores/sqlite/changes.ts";
import { sqliteStore } from "../../../../src/stores/sqlite/store.ts";
import type { SqliteStoreOptions } from "../../../../src/stores/sqlite/options.ts";
import type { StateStore } from "../../../../src/stores/contract.ts";
import { testDirectory } from "../../../support/directory.ts";
import { programOf } from "../../../support/programs.ts";
import { keepingLogger, until } from "../../../support/waiting.ts";

const dir = testDirectory("sqlite-feed");
const logger = keepingLogger();
const write = (key: string, version = 1) => ({
  key,
  expectedVersion: version - 1,
  version,
  state: version,
});

function open(name: string, options: SqliteStoreOptions = {}): StateStore {
  const path = join(dir, `${name}.db`);
  const store = sqliteStore({ path, synchronous: "normal", logger, ...options });
  onTestFinished(() => store.close());
  return store;
}

/** A connection that is not the library's: an older release, or an operator's hand. */
function raw(name: string): SqliteDatabase {
  const database = openDatabase(join(dir, `${name}.db`));
  database.exec("PRAGMA busy_timeout = 5000");
  onTestFinished(() => void database.close());
  return database;
}

function rows(database: SqliteDatabase, table: string): number {
  const row = database.prepare(`SELECT count(*) AS n FROM ${table}`).get();
  return (row as { n: number }).n;
}

/** What a watcher of a store was notified of. */
async function watched(store: StateStore): Promise<{
  readonly seen: (readonly [key: string, version: number])[];
  readonly missed: () => number;
  readonly stop: () => Promise<void>;
}> {
  const seen: (readonly [string, number])[] = [];
  let missed = 0;
  const stop = await store.watch?.(
    (key, version) => seen.push([key, version]),
    () => (missed += 1),
  );
  return { seen, missed: () => missed, stop: async () => stop?.() };
}

describe("a watcher of a file", () => {
  it("receives each commit of others once, in order, and misses nothing", async () => {
    const [store, other] = [open("order"), open("order")];
    const { seen, missed } = await watched(store);
    for (let version = 1; version <= 20; version += 1) {
      await other.commit([write("k", version)]);
      await store.commit([write("own", version)]);
      await store.commit([write("own", 99)]); // Refused, and rolled back when it is atomic.
      await store.commit([write("own", 99)], { atomic: true });
    }
    await other.exclusive?.("k", 1_000, () => other.commit([write("k", 21)]));
    await until(() => seen.length >= 21);
    expect(seen).toEqual(Array.from({ length: 21 }, (_, at) => ["k", at + 1]));
    expect(missed()).toBe(0);
  });

  it("is not disturbed by others that open, begin and stop watching", async () => {
    const store = open("begin");
    const { seen, missed } = await watched(store);
    const other = open("begin");
    const { stop } = await watched(other);
    await stop();
    await other.close();
    const last = open("begin");
    await last.commit([write("last")]);
    await until(() => seen.length > 0);
    expect([seen, missed()]).toEqual([[["last", 1]], 0]);
  });

  it("is notified that it misses some when a commit is too large to be named", async () => {
    const [store, other] = [open("large"), open("large")];
    const { seen, missed } = await watched(store);
    const many = Array.from({ length: 300 }, (_, at) => write(`k${at}`));
    await other.commit(many);
    await until(() => missed() === 1);
    await other.commit([write("last")]);
    await until(() => seen.length > 0);
    expect([seen, missed()]).toEqual([[["last", 1]], 1]);
  });

  it("is notified that it misses some when something else changed the file", async () => {
    const store = open("foreign");
    await store.commit([write("k")]);
    const { seen, missed } = await watched(store);
    const database = raw("foreign");
    database.exec("UPDATE holdfast_record SET version = version + 1");
    await until(() => missed() > 0);
    expect(seen).toEqual([]);
  });

  it("is notified that it misses some after the file was away", async () => {
    const [store, other] = [open("away"), open("away")];
    await other.commit([write("k")]);
    const { missed } = await watched(store);
    const path = join(dir, "away.db");
    renameSync(path, `${path}.away`);
    await expect(store.load(["k"])).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    await sleep(4 * POLL_MS); // Several looks find it so.
    renameSync(`${path}.away`, path);
    await until(() => missed() > 0);
  });

  it("is notified that it misses some when its registration ran out, and is registered again", async () => {
    const [store, other] = [open("late"), open("late")];
    const { seen, missed } = await watched(store);
    const now = Date.now();
    const clock = vi.spyOn(Date, "now").mockReturnValue(now + 3_600_000);
    onTestFinished(() => clock.mockRestore());
    await until(() => missed() === 1);
    await other.commit([write("k")]);
    await until(() => seen.length > 0);
    expect([seen, missed()]).toEqual([[["k", 1]], 1]);
  });

  it("that throws harms neither the others nor the process", async () => {
    const [store, other] = [open("throws"), open("throws")];
    const { seen } = await watched(store);
    await store.watch?.(() => {
      throw new Error("mine");
    });
    const later = await watched(store);
    await other.commit([write("k")]);
    await until(() => seen.length > 0 && later.seen.length > 0);
  });

  it("of two store objects on one connection receives what the other commits", async () => {
    const database = raw("given");
    const [store, other] = [sqliteStore({ database }), sqliteStore({ database })];
    const { seen } = await watched(store);
    await other.commit([write("k")]);
    await until(() => seen.length > 0);
    expect(seen).toEqual([["k", 1]]);
    await Promise.all([store.close(), other.close()]);
  });
});

describe("the notes in a file", () => {
  it("are not made while no other store watches", async () => {
    const store = open("quiet");
    const { stop } = await watched(store);
    for (let version = 1; version <= 10; version += 1) await store.commit([write("k", version)]);
    const database = raw("quiet");
    expect(rows(database, "holdfast_change")).toBe(0);
    expect(rows(database, "holdfast_watch")).toBe(1);
    await stop();
    await stop();
    expect(rows(database, "holdfast_watch")).toBe(0);
  });

  it("stay bounded, and go when the next one begins to watch", async () => {
    const [store, other] = [open("bounded"), open("bounded")];
    const { stop } = await watched(store);
    const database = raw("bounded");
    for (let version = 1; version <= 1_000; version += 1) await other.commit([write("k", version)]);
    const kept = rows(database, "holdfast_change");
    expect(kept).toBeGreaterThan(256);
    expect(kept).toBeLessThan(512 + 128);
    await stop();
    await watched(other);
    expect(rows(database, "holdfast_change")).toBe(0);
  }, 120_000);

  it("are not made for a watcher that was killed, once its time has run out", async () => {
    const store = open("killed");
    await store.load(["k"]);
    const database = raw("killed");
    database.exec("INSERT INTO holdfast_watch VALUES ('killed', 1)");
    await store.commit([write("k")]);
    expect(rows(database, "holdfast_change")).toBe(0);
    await watched(store);
    expect(rows(database, "holdfast_watch")).toBe(1);
  });
});

it("a file of the release before gets its tables when it is opened, by several at once", async () => {
  const first = open("older");
  await first.commit([write("k")]);
  await first.close();
  const database = raw("older");
  database.exec("DROP TABLE holdfast_watch; DROP TABLE holdfast_change");
  const stores = Array.from({ length: 4 }, () => open("older"));
  const watchers = await Promise.all(stores.map((store) => watched(store)));
  await stores[0]?.commit([write("k", 2)]);
  await until(() => watchers.slice(1).every(({ seen }) => seen.length > 0));
  // What the release before does, which knows nothing of the tables.
  expect(await stores[3]?.load(["k"])).toEqual([{ version: 2, state: 2 }]);
});

it("a store that has no one else on its file watches nothing", () => {
  expect(open("one", { processes: "one" }).supports.watch).toBe(false);
  expect(sqliteStore({ path: ":memory:" }).supports.watch).toBe(false);
  expect(open("several").supports.watch).toBe(true);
});

it("watching keeps no process alive, and ends with the store", async () => {
  const entry = programOf("src/sqlite.ts");
  const program = (end: string): string => `
    import { sqliteStore } from ${JSON.stringify(entry)};
    const store = sqliteStore({ path: ${JSON.stringify(join(dir, "alive.db"))} });
    await store.watch(() => undefined);
    ${end}
    console.log("over");
  `;
  for (const end of ["", "await store.close();"]) {
    const args = ["--input-type=module", "--eval", program(end)];
    const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 60_000 });
    expect(stdout).toBe("over\n");
  }
}, 120_000);
