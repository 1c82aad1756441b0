/** A store directory that is removed or replaced while it is open. */
import { cpSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { fileStore } from "../../../../src/stores/file/store.ts";
import type { StateStore } from "../../../../src/stores/contract.ts";
import { collect } from "../../../support/collect.ts";
import { testDirectory } from "../../../support/directory.ts";

const root = testDirectory("file-replaced");
const REFUSED = { code: "STORE_UNAVAILABLE", message: expect.stringContaining("no longer what") };
const write = (key: string, version: number) => ({
  key,
  expectedVersion: version - 1,
  version,
  state: version,
});

const losses: readonly (readonly [string, (dir: string) => Promise<void> | void])[] = [
  ["was removed", (dir) => rmSync(dir, { recursive: true })],
  ["was moved away", (dir) => renameSync(dir, `${dir}-moved`)],
  [
    "was replaced by another store's",
    async (dir) => {
      renameSync(dir, `${dir}-moved`);
      const other = fileStore({ dir });
      onTestFinished(() => other.close());
      await other.commit([write("k", 1)]);
    },
  ],
  [
    "has the records of a backup",
    (dir) => {
      const records = join(dir, "records");
      cpSync(records, `${records}-backup`, { recursive: true });
      rmSync(records, { recursive: true });
      renameSync(`${records}-backup`, records);
    },
  ],
];

const operations: readonly (readonly [string, (store: StateStore) => Promise<unknown>])[] = [
  ["a commit", (store) => store.commit([write("k", 2)])],
  ["a load", (store) => store.load(["k"])],
  ["a list", (store) => collect(store.list())],
];

describe.each(losses)("a directory that %s", (name, lose) => {
  it.each(operations)("refuses %s", async (operation, operate) => {
    const dir = join(root, `${name} ${operation}`.replaceAll(/\W/g, "-"));
    const store = fileStore({ dir });
    onTestFinished(() => store.close().catch(() => undefined));
    await store.commit([write("k", 1)]);
    await lose(dir);
    await expect(operate(store)).rejects.toMatchObject(REFUSED);
    await expect(operate(store)).rejects.toMatchObject(REFUSED);
  });
});
