/** Where a store keeps more than the record, an erased key leaves nothing there either. */
import { readdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { fileNameOf } from "../../../src/stores/file/disk.ts";
import { encodeDocument } from "../../../src/stores/file/document.ts";
import { fileStore } from "../../../src/stores/file/store.ts";
import { openDatabase } from "../../../src/stores/sqlite/driver.ts";
import { sqliteStore } from "../../../src/stores/sqlite/store.ts";
import { simulatedClock } from "../../../src/testing/clock.ts";
import { testDirectory } from "../../support/directory.ts";

const dir = testDirectory("erase");
const first = { expectedVersion: 0, version: 1 };

it("a damaged file that was set aside is erased", async () => {
  const place = join(dir, "aside");
  const store = fileStore({ dir: place, fsync: false });
  onTestFinished(() => store.close());
  await store.commit([{ ...first, key: "k", state: { secret: 1 } }]);
  writeFileSync(join(place, "records", fileNameOf("k")), "damaged");
  await expect(store.load(["k"])).rejects.toMatchObject({ code: "CORRUPT_STATE" });
  expect(readdirSync(join(place, "corrupt"))).toHaveLength(1);
  expect(await store.erase?.(["k"])).toEqual([true]);
  expect(readdirSync(join(place, "corrupt"))).toEqual([]);
  expect(await store.load(["k"])).toEqual([undefined]);
});

it("a tombstone of an earlier release is removed by the age of its file", async () => {
  const place = join(dir, "older");
  const clock = simulatedClock(Date.now());
  const store = fileStore({ dir: place, clock, fsync: false });
  onTestFinished(() => store.close());
  await store.load(["k"]);
  for (const key of ["old", "new"]) {
    const fields = { key, version: 2, expires: undefined, forgets: undefined };
    writeFileSync(join(place, "records", fileNameOf(key)), encodeDocument(fields, undefined));
  }
  const agesAgo = new Date(clock.now() - 604_800_000 - 1_000);
  utimesSync(join(place, "records", fileNameOf("old")), agesAgo, agesAgo);
  for (let looks = 0; looks < 100; looks += 1) {
    await store.load(["k"]);
    await new Promise((resolve) => {
      setTimeout(resolve, 50);
    });
    if (readdirSync(join(place, "records")).length < 2) break;
  }
  expect(readdirSync(join(place, "records"))).toEqual([fileNameOf("new")]);
});

it("neither rows, free pages nor notes of a SQLite file name an erased key", async () => {
  const path = join(dir, "notes.db");
  const open = () => sqliteStore({ path, synchronous: "normal" });
  const [store, other] = [open(), open()];
  const observed: string[] = [];
  const stop = await other.watch?.((key, version) => observed.push(`${key} ${version}`));
  await store.commit([{ ...first, key: "phone-4711", state: { name: "Ann Example" } }]);
  expect(await store.erase?.(["phone-4711"])).toEqual([true]);
  for (let looks = 0; looks < 100 && observed.length < 1; looks += 1)
    await new Promise((resolve) => {
      setTimeout(resolve, 25);
    });
  expect(observed.at(-1)).toBe("phone-4711 2");
  await store.close(); // Takes the key out of the note.
  await stop?.();
  await other.close(); // The last one folds the log in.
  const database = openDatabase(path);
  expect(database.prepare("SELECT keys FROM holdfast_change").all()).not.toContainEqual(
    expect.objectContaining({ keys: expect.stringContaining("4711") }),
  );
  database.close();
  const bytes = readFileSync(path, "latin1");
  expect([bytes.includes("4711"), bytes.includes("Ann Example")]).toEqual([false, false]);
});
