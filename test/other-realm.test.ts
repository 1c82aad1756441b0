/**
 * The library inside a `vm` context, as Jest runs it: the errors of the platform are made in another
 * realm than the library's own. Runs tests of this folder once more, in a realm of their own.
 */
import { execFile } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { rootUrl } from "./support/entry-points.ts";

/** Those that meet errors of files, of the file lock, of SQLite and of processes. */
const files = [
  "test/actors/realm.test.ts",
  "test/src/stores/file/store.test.ts",
  "test/src/stores/sqlite/file.test.ts",
  "test/src/stores/sqlite/busy.test.ts",
  "test/src/dialects/turn-state/documents.test.ts",
];

it("keeps its promises in a realm of its own", { timeout: 300_000 }, async () => {
  const vitest = join(dirname(createRequire(import.meta.url).resolve("vitest")), "vitest.mjs");
  const run = ["run", "--pool=vmForks", "--maxWorkers=1", "--reporter=json", ...files];
  // With the variables of a run that is not inside another one.
  const env = Object.entries(process.env).filter(([name]) => !/^(?:VITEST|TINYPOOL)/.test(name));
  const { stdout } = await promisify(execFile)(process.execPath, [vitest, ...run], {
    cwd: fileURLToPath(rootUrl),
    env: Object.fromEntries(env),
  }).catch((failed: { readonly stdout: string }) => failed);
  const report = JSON.parse(stdout.slice(stdout.indexOf("{"), stdout.lastIndexOf("}") + 1)) as {
    readonly numTotalTests: number;
    readonly testResults: readonly {
      readonly name: string;
      readonly message: string;
      readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[];
    }[];
  };
  expect(report.testResults).toHaveLength(files.length);
  const failed = report.testResults.flatMap(({ name, message, assertionResults }) => [
    ...(message === "" ? [] : [`${name}: ${message}`]),
    ...assertionResults.filter(({ status }) => status === "failed").map((each) => each.fullName),
  ]);
  expect(failed).toEqual([]);
  expect(report.numTotalTests).toBeGreaterThan(files.length);
});
