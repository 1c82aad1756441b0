/** A database file, or what SQLite keeps beside it, that is removed or replaced while it is open. */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it, onTestFinished } from "vitest";
import { createRuntime } from "../../../../src/runtime/runtime.ts";
import { BESIDE_LOOK_MS, journalMode } from "../../../../src/stores/sqlite/files.ts";
import { openDatabase } from "../../../../src/stores/sqlite/driver.ts";
import { sqliteStore } from "../../../../src/stores/sqlite/store.ts";
import type { StateStore } from "../../../../src/stores/contract.ts";
import { collect } from "../../../support/collect.ts";
import { testDirectory } from "../../../support/directory.ts";

const dir = testDirectory("sqlite-replaced");
const REFUSED = { code: "STORE_UNAVAILABLE", message: expect.stringContaining("no longer what") };
const write = (key: string, version: number) => ({
  key,
  expectedVersion: version - 1,
  version,
  state: version,
});

const losses: readonly (readonly [string, (path: string) => Promise<void> | void])[] = [
  ["deleted", (path) => unlinkSync(path)],
  ["deleted with its folder", (path) => rmSync(dirname(path), { recursive: true })],
  ["moved away with its folder", (path) => renameSync(dirname(path), `${dirname(path)}-moved`)],
  [
    "replaced by another store's",
    async (path) => {
      const other = sqliteStore({ path: `${path}.other` });
      await other.commit([write("k", 1)]);
      await other.close();
      renameSync(`${path}.other`, path);
    },
  ],
  [
    "replaced by a copy",
    (path) => {
      copyFileSync(path, `${path}.copy`);
      renameSync(`${path}.copy`, path);
    },
  ],
];

const operations: readonly (readonly [string, (store: StateStore) => Promise<unknown>])[] = [
  ["a commit", (store) => store.commit([write("k", 2)])],
  ["a check", (store) => store.commit([], { checks: [{ key: "k", expectedVersion: 1 }] })],
  ["a load", (store) => store.load(["k"])],
  ["a list", (store) => collect(store.list())],
  ["an exclusive turn", async (store) => store.exclusive?.("k", 1_000, () => Promise.resolve())],
];

let count = 0;

async function opened(): Promise<{ path: string; store: StateStore }> {
  count += 1;
  const path = join(dir, String(count), "store.db");
  const store = sqliteStore({ path });
  onTestFinished(() => store.close());
  await store.commit([write("k", 1)]);
  return { path, store };
}

describe.each(losses)("a file that was %s", (_, lose) => {
  it.each(operations)("refuses %s, the first and later ones", async (_name, operate) => {
    const { path, store } = await opened();
    await lose(path);
    await expect(operate(store)).rejects.toMatchObject(REFUSED);
    await expect(operate(store)).rejects.toMatchObject(REFUSED);
    for (const [, other] of operations) await expect(other(store)).rejects.toMatchObject(REFUSED);
    await store.close();
  });
});

it("a file that was moved away and back is used again", async () => {
  const { path, store } = await opened();
  renameSync(path, `${path}.away`);
  await expect(store.commit([write("k", 2)])).rejects.toMatchObject(REFUSED);
  renameSync(`${path}.away`, path);
  expect(await store.commit([write("k", 2)])).toEqual([{ ok: true, version: 2 }]);
});

it("a store on the new file loses nothing when one on the old file is closed", async () => {
  const { path, store } = await opened();
  for (const suffix of ["", "-wal", "-shm", "-journal"]) rmSync(path + suffix, { force: true });
  const other = sqliteStore({ path });
  await other.commit([write("new", 1)]);
  await expect(store.load(["new"])).rejects.toMatchObject(REFUSED);
  await store.close();
  expect(await other.commit([write("new", 2)])).toEqual([{ ok: true, version: 2 }]);
  await other.close();
  const again = sqliteStore({ path });
  expect(await again.load(["new"])).toEqual([{ version: 2, state: 2 }]);
  await again.close();
});

it.each(["-wal", "-journal"])("a new file is not made beside the %s of another", async (suffix) => {
  const path = join(dir, `remains${suffix}.db`);
  writeFileSync(path + suffix, "what another database left");
  const store = sqliteStore({ path });
  const refused = { code: "STORE_UNAVAILABLE", message: expect.stringContaining(path + suffix) };
  await expect(store.commit([write("k", 1)])).rejects.toMatchObject(refused);
  const made = readdirSync(dir).filter((name) => name.startsWith(`remains${suffix}`));
  expect(made).toHaveLength(1);
  rmSync(path + suffix);
  expect(await store.commit([write("k", 1)])).toEqual([{ ok: true, version: 1 }]);
  await store.close();
  rmSync(path);
});

it("a given connection is refused as well, and may leave WAL mode", async () => {
  const path = join(dir, "given.db");
  const database = openDatabase(path);
  database.exec("PRAGMA journal_mode = WAL");
  const store = sqliteStore({ database });
  await store.commit([write("k", 1)]);
  expect([existsSync(`${path}-wal`), journalMode(database)]).toEqual([true, "wal"]);
  database.exec("PRAGMA journal_mode = DELETE");
  expect(await store.commit([write("k", 2)])).toEqual([{ ok: true, version: 2 }]);
  database.exec("PRAGMA journal_mode = WAL");
  renameSync(path, `${path}.away`);
  await expect(store.commit([write("k", 3)])).rejects.toMatchObject(REFUSED);
  await store.close();
  database.close();
});

it.each(["-wal", "-shm"])("a commit is refused when the %s file was removed", async (suffix) => {
  const path = join(dir, `beside${suffix}.db`);
  const database = openDatabase(path);
  database.exec("PRAGMA journal_mode = WAL");
  const store = sqliteStore({ database });
  await store.commit([write("k", 1)]);
  unlinkSync(path + suffix);
  await sleep(2 * BESIDE_LOOK_MS); // It is not looked at for each commit.
  await expect(store.commit([write("k", 2)])).rejects.toMatchObject(REFUSED);
  await store.close();
  database.close();
});

it("a runtime answers no change that would go to a file without a name", async () => {
  const path = join(dir, "runtime", "store.db");
  const runtime = createRuntime({ store: sqliteStore({ path }) });
  const scope = await runtime.open("user", "u");
  expect(await scope.patchState({ n: 1 })).toBe(true);
  rmSync(dirname(path), { recursive: true });
  mkdirSync(dirname(path));
  await expect(scope.patchState({ n: 2 })).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
  await expect(runtime.open("user", "v")).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
  await runtime.close();
});
