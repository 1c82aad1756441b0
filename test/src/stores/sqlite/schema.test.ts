/** Tables that are not those the library makes: damage, never a store that is away. */
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { openDatabase } from "../../../../src/stores/sqlite/driver.ts";
import { sqliteStore } from "../../../../src/stores/sqlite/store.ts";
import { testDirectory } from "../../../support/directory.ts";

const dir = testDirectory("sqlite-schema");
const whole = join(dir, "whole.db");
const write = { key: "k", expectedVersion: 0, version: 1, state: 1 };

async function makeWhole(): Promise<void> {
  const store = sqliteStore({ path: whole, synchronous: "normal" });
  await store.commit([write]);
  await store.close();
}

/** A copy of a whole file, changed by a statement. */
async function changed(name: string, sql: string): Promise<string> {
  await makeWhole().catch(() => undefined);
  const path = join(dir, `${name.replaceAll(/\W/g, "-")}.db`);
  copyFileSync(whole, path);
  const database = openDatabase(path);
  database.exec("PRAGMA journal_mode = DELETE");
  database.exec(sql);
  database.close();
  return path;
}

const faults: readonly (readonly [string, string])[] = [
  ["lacks a column", "ALTER TABLE holdfast_record DROP COLUMN state"],
  ["has a column of another name", "ALTER TABLE holdfast_record RENAME COLUMN sum TO som"],
  ["lacks a column of another table", "ALTER TABLE holdfast_patch DROP COLUMN since"],
  [
    "has a view for a table",
    "DROP TABLE holdfast_base; CREATE VIEW holdfast_base AS SELECT 1 AS id",
  ],
  [
    "lost what makes keys unique",
    "DROP TABLE holdfast_record; CREATE TABLE holdfast_record (id INTEGER PRIMARY KEY, key TEXT, " +
      "version INTEGER, form INTEGER, expires INTEGER, sum INTEGER, log_count INTEGER, " +
      "log_size INTEGER, base_size INTEGER, state TEXT)",
  ],
  [
    "has a table of that name that is not ours",
    "DROP TABLE holdfast_meta; CREATE TABLE holdfast_meta (x)",
  ],
  ["has no number for a version", "UPDATE holdfast_meta SET value = 'one'"],
];

describe("a file that claims to be ours", () => {
  it.each(faults)("and %s is damaged", async (name, sql) => {
    const path = await changed(name, sql);
    const store = sqliteStore({ path });
    onTestFinished(() => store.close());
    const damaged = { code: "CORRUPT_STATE", location: path };
    await expect(store.load(["k"])).rejects.toMatchObject(damaged);
    await expect(store.commit([write])).rejects.toMatchObject({ code: "CORRUPT_STATE" });
  });

  it("and whose format is not supported is damaged", async () => {
    const path = await changed("format", "SELECT 1");
    const bytes = readFileSync(path);
    bytes[47] = 0xff; // The number of the schema's format.
    writeFileSync(path, bytes);
    const store = sqliteStore({ path });
    await expect(store.load(["k"])).rejects.toMatchObject({ code: "CORRUPT_STATE" });
    await store.close();
  });

  it("and loses a column while it is open is damaged", async () => {
    const path = await changed("open", "SELECT 1");
    const store = sqliteStore({ path });
    expect(await store.load(["k"])).toEqual([{ version: 1, state: 1 }]);
    const other = openDatabase(path);
    other.exec("ALTER TABLE holdfast_record DROP COLUMN state");
    other.close();
    await expect(store.load(["k"])).rejects.toMatchObject({ code: "CORRUPT_STATE" });
    await store.close();
  });
});

it("a given connection that is in a transaction of its owner is in use, not damaged", async () => {
  const database = openDatabase(":memory:");
  database.exec("BEGIN");
  const store = sqliteStore({ database });
  await expect(store.load(["k"])).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
  database.exec("COMMIT");
  expect(await store.load(["k"])).toEqual([undefined]);
  await store.close();
  database.close();
});
