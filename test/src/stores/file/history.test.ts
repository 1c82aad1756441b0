import { copyFileSync, existsSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { appendFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import type { HistoryKeep, HistoryRow, StateStore } from "../../../../src/stores/contract.ts";
import { fileNameOf } from "../../../../src/stores/file/disk.ts";
import { fileStore } from "../../../../src/stores/file/store.ts";
import { simulatedClock } from "../../../../src/testing/clock.ts";
import { testDirectory } from "../../../support/directory.ts";

const root = testDirectory("file-history");
let made = 0;

function freshDirectory(): string {
  made += 1;
  return join(root, `${made}`);
}

function open(dir: string): StateStore {
  const store = fileStore({ dir, fsync: false });
  onTestFinished(() => store.close());
  return store;
}

interface Change {
  readonly keep?: HistoryKeep;
  readonly text?: string;
  readonly fresh?: true;
}

async function step(
  store: StateStore,
  version: number,
  { keep = {}, text = "", fresh }: Change = {},
): Promise<void> {
  const row: HistoryRow = { version, at: version, entry: `${version}${text}` };
  const [result] = await store.commit([
    {
      key: "k",
      expectedVersion: version - 1,
      version,
      state: { version, text },
      history: { add: [row], keep, fresh },
    },
  ]);
  expect(result).toEqual({ ok: true, version });
}

async function entriesOf(store: StateStore): Promise<unknown[] | undefined> {
  return (await store.history?.("k"))?.map(({ entry }) => entry);
}

/** The files of the history of `k`. */
function segmentsOf(dir: string): string[] {
  const folder = join(dir, "history", fileNameOf("k"));
  if (!existsSync(folder)) return [];
  return readdirSync(folder).map((name) => join(folder, name));
}

it("ignores rows of a write whose record was not renamed, and writes over them", async () => {
  const dir = freshDirectory();
  const record = join(dir, "records", fileNameOf("k"));
  const first = open(dir);
  await step(first, 1);
  await step(first, 2);
  copyFileSync(record, join(root, "old"));
  await step(first, 3, { text: "lost" });
  await first.close();
  copyFileSync(join(root, "old"), record); // As a kill before the rename leaves it.
  const again = open(dir);
  expect(await entriesOf(again)).toEqual(["2", "1"]);
  await step(again, 3, { text: "kept" });
  expect(await entriesOf(again)).toEqual(["3kept", "2", "1"]);
});

it("does not read what was torn behind the rows that the record names", async () => {
  const dir = freshDirectory();
  const store = open(dir);
  await step(store, 1);
  await step(store, 2);
  const [segment = ""] = segmentsOf(dir);
  await appendFile(segment, "deadbeef 3 3 3");
  await step(store, 3);
  expect(await entriesOf(store)).toEqual(["3", "2", "1"]);
  await store.close();
  expect(await entriesOf(open(dir))).toEqual(["3", "2", "1"]);
});

it("is refused when it was changed, and begins anew without its files", async () => {
  const dir = freshDirectory();
  const first = open(dir);
  await step(first, 1);
  await step(first, 2);
  await first.close();
  const [segment = ""] = segmentsOf(dir);
  await writeFile(segment, readFileSync(segment, "utf8").replace('"1"', '"7"'));
  const store = open(dir);
  await expect(store.history?.("k")).rejects.toMatchObject({ code: "CORRUPT_STATE" });
  expect(await store.load(["k"])).toMatchObject([{ version: 2 }]);
  rmSync(join(dir, "history"), { recursive: true });
  expect(await entriesOf(store)).toEqual([]);
  await step(store, 3);
  expect(await entriesOf(store)).toEqual(["3"]);
});

it("has the rows that are whole in a copy whose last rows are missing", async () => {
  const dir = freshDirectory();
  const first = open(dir);
  for (const version of [1, 2, 3]) await step(first, version);
  await first.close();
  const [segment = ""] = segmentsOf(dir);
  await truncate(segment, statSync(segment).size - 5);
  const store = open(dir);
  expect(await entriesOf(store)).toEqual(["2", "1"]);
  await step(store, 4);
  expect(await entriesOf(store)).toEqual(["4", "2", "1"]);
});

it("is written anew when half of it is no longer kept, in one file", async () => {
  const dir = freshDirectory();
  const store = open(dir);
  const text = "x".repeat(1_000);
  const sizes: number[] = [];
  for (let version = 1; version <= 400; version += 1) {
    await step(store, version, { text, keep: { versions: 20 } });
    const files = segmentsOf(dir);
    expect(files).toHaveLength(1);
    sizes.push(statSync(files[0] ?? "").size);
  }
  expect(Math.max(...sizes)).toBeLessThan(80_000);
  expect(await entriesOf(store)).toHaveLength(20);
  expect((await entriesOf(store))?.at(-1)).toBe(`381${text}`);
});

it("keeps a history without limits whole, however long", async () => {
  const dir = freshDirectory();
  const store = open(dir);
  const text = "x".repeat(1_000);
  for (let version = 1; version <= 200; version += 1) await step(store, version, { text });
  await store.close();
  const all = Array.from({ length: 200 }, (_, at) => `${200 - at}${text}`);
  expect(await entriesOf(open(dir))).toEqual(all);
});

it("has few files, however often the directory is opened", async () => {
  const dir = freshDirectory();
  for (let version = 1; version <= 20; version += 1) {
    const store = open(dir);
    await step(store, version);
    await store.close();
    expect(segmentsOf(dir).length).toBeLessThanOrEqual(8);
  }
  const all = Array.from({ length: 20 }, (_, at) => `${20 - at}`);
  expect(await entriesOf(open(dir))).toEqual(all);
});

it("leaves no file after a delete, an erasure or a fresh record", async () => {
  const dir = freshDirectory();
  const store = open(dir);
  await step(store, 1);
  await store.commit([{ key: "k", expectedVersion: 1, version: 2, state: undefined }]);
  expect(segmentsOf(dir)).toEqual([]);
  await step(store, 3);
  await store.erase?.(["k"]);
  expect(readdirSync(join(dir, "history"))).toEqual([]);
  await step(store, 1, { text: "old" });
  await step(store, 2, { fresh: true });
  const [segment = "", ...others] = segmentsOf(dir);
  expect(others).toEqual([]);
  expect(readFileSync(segment, "utf8")).not.toContain("old");
});

it("goes with its record, when that has expired and its tombstone is over", async () => {
  const dir = freshDirectory();
  const clock = simulatedClock(1_000_000);
  const store = fileStore({ dir, clock, fsync: false, tombstoneMs: 1_000 });
  onTestFinished(() => store.close());
  const history = { add: [{ version: 1, at: 1, entry: "secret" }], keep: {} };
  await store.commit([{ key: "k", expectedVersion: 0, version: 1, state: 1, ttlMs: 100, history }]);
  expect(segmentsOf(dir)).toHaveLength(1);
  clock.setTime(clock.now() + 2_000);
  await expect
    .poll(async () => {
      await store.load(["other"]);
      return segmentsOf(dir);
    })
    .toEqual([]);
});
