/** Vitest as a process of its own inside a run: what it says about each of its files. */
import { execFile } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import { promisify } from "node:util";

/** What ran in a file. */
export interface FileReport {
  readonly tests: number;
  /** One text for each thing that failed: the file itself, or a test. */
  readonly failures: readonly string[];
}

/** The report that vitest prints. */
interface JsonReport {
  readonly testResults: readonly {
    readonly name: string;
    readonly message: string;
    readonly assertionResults: readonly {
      readonly fullName: string;
      readonly status: string;
      readonly failureMessages: readonly string[];
    }[];
  }[];
}

/**
 * Runs tests in `folder`; gives a report for each file by its path from there. Rejects when vitest fails for
 * what is in no file, as an error outside of the tests.
 */
export async function innerVitest(
  folder: string,
  args: readonly string[] = [],
): Promise<Record<string, FileReport>> {
  const vitest = join(dirname(createRequire(import.meta.url).resolve("vitest")), "vitest.mjs");
  // With the variables of a run that is not inside another one.
  const env = Object.entries(process.env).filter(([name]) => !/^(?:VITEST|TINYPOOL)/.test(name));
  const ended = await promisify(execFile)(
    process.execPath,
    [vitest, "run", "--maxWorkers=1", "--reporter=json", ...args],
    { cwd: folder, env: Object.fromEntries(env), maxBuffer: 2 ** 26 },
  ).catch((failed: Error & { readonly stdout: string }) => failed);
  const { stdout } = ended;
  const text = stdout.slice(stdout.indexOf("{"), stdout.lastIndexOf("}") + 1);
  const { testResults } = JSON.parse(text) as JsonReport;
  const reports = testResults.map(({ name, message, assertionResults }) => {
    const failures = assertionResults
      .filter(({ status }) => status === "failed")
      .map((each) => `${each.fullName}: ${each.failureMessages.join("\n")}`);
    if (message !== "") failures.unshift(message);
    return [relative(folder, name), { tests: assertionResults.length, failures }] as const;
  });
  const hasFailure = reports.some(([, { failures }]) => failures.length > 0);
  if (ended instanceof Error && !hasFailure) throw ended;
  return Object.fromEntries(reports);
}
