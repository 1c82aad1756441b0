/**
 * The library inside a `vm` context, as Jest runs it: the errors of the platform are made in another
 * realm than the library's own. Runs tests of this folder once more, in a realm of their own.
 */
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { rootUrl } from "./support/entry-points.ts";
import { innerVitest } from "./support/inner-vitest.ts";

/** Those that meet errors of files, of the file lock, of SQLite and of processes. */
const files = [
  "test/actors/realm.test.ts",
  "test/src/stores/file/store.test.ts",
  "test/src/stores/sqlite/file.test.ts",
  "test/src/stores/sqlite/busy.test.ts",
  "test/src/dialects/turn-state/documents.test.ts",
];

it("keeps its promises in a realm of its own", { timeout: 300_000 }, async () => {
  const reports = await innerVitest(fileURLToPath(rootUrl), ["--pool=vmForks", ...files]);
  expect(Object.keys(reports).toSorted()).toEqual(files.toSorted());
  const found = Object.values(reports);
  expect(found.flatMap(({ failures }) => failures)).toEqual([]);
  for (const { tests } of found) expect(tests).toBeGreaterThan(0);
});
