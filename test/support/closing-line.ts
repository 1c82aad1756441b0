/**
 * Prints `N passed, N failed, N skipped` alone on the last line of a run, for people and for CI.
 *
 * With CLOSING_COUNTS, the path of a file, the line is appended to that file instead: CI adds up
 * several runs and prints one.
 */
import { appendFileSync } from "node:fs";
import type { Reporter } from "vitest/node";

/** Counts what ran; a file that does not load, or a stray error, is a failure of its own. */
export const closingLine: Reporter = {
  onTestRunEnd(modules, unhandledErrors) {
    const count = { passed: 0, failed: unhandledErrors.length, skipped: 0, pending: 0 };
    for (const module of modules) {
      count.failed += module.errors().length;
      for (const suite of module.children.allSuites()) count.failed += suite.errors().length;
      for (const test of module.children.allTests()) count[test.result().state] += 1;
    }
    const { passed, failed, skipped, pending } = count;
    const line = `${passed} passed, ${failed + pending} failed, ${skipped} skipped\n`;
    const file = process.env["CLOSING_COUNTS"] ?? "";
    if (file === "") process.stdout.write(line);
    else appendFileSync(file, line);
  },
};
