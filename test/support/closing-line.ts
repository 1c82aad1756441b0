/**
 * Prints `N passed, N failed, N skipped` alone on the last line of a run, for people and for CI.
 *
 * With CLOSING_COUNTS, the path of a file, the line is appended to that file instead, and what failed
 * to a file beside it whose name ends with `.failures`: CI adds up several runs, and prints at its end
 * one line and all failures, because the output of a run is long.
 */
import { appendFileSync } from "node:fs";
import type { Reporter, TestModule } from "vitest/node";

interface Failure {
  readonly name: string;
  readonly errors: readonly { readonly message: string }[] | undefined;
}

/** What failed in a file: the file itself when it does not load, its suites, its tests. */
function failuresIn(module: TestModule): Failure[] {
  const failures: Failure[] = [];
  const add = (name: string, errors: Failure["errors"]): void => {
    failures.push({ name: `${module.relativeModuleId} > ${name}`, errors });
  };
  for (const error of module.errors()) add("(file)", [error]);
  for (const suite of module.children.allSuites()) {
    for (const error of suite.errors()) add(suite.fullName, [error]);
  }
  for (const test of module.children.allTests()) {
    const { state, errors } = test.result();
    if (state === "failed" || state === "pending") add(test.fullName, errors);
  }
  return failures;
}

/** Counts what ran; a file that does not load, or a stray error, is a failure of its own. */
export const closingLine: Reporter = {
  onTestRunEnd(modules, unhandledErrors) {
    const failures = modules.flatMap(failuresIn);
    for (const error of unhandledErrors) failures.push({ name: "(no test)", errors: [error] });
    let passed = 0;
    let skipped = 0;
    for (const test of modules.flatMap((module) => [...module.children.allTests()])) {
      const { state } = test.result();
      if (state === "passed") passed += 1;
      if (state === "skipped") skipped += 1;
    }
    const line = `${passed} passed, ${failures.length} failed, ${skipped} skipped\n`;
    const file = process.env["CLOSING_COUNTS"] ?? "";
    if (file === "") {
      process.stdout.write(line);
      return;
    }
    appendFileSync(file, line);
    const texts = failures.map(
      ({ name, errors = [] }) =>
        `failed on Node ${process.version}: ${name}\n${errors.map(({ message }) => `    ${message.slice(0, 2000)}\n`).join("")}`,
    );
    appendFileSync(`${file}.failures`, texts.join(""));
  },
};
