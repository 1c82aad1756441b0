#!/usr/bin/env node
/** The program `holdfast`: moves records between stores. `holdfast --help` says how. */
import { isHoldfastError } from "../../actors/errors.ts";
import { reasonOf } from "../stores/repeat.ts";
import { runTask } from "./commands.ts";
import { HELP, readTask, UsageError } from "./options.ts";

const EXIT = { agree: 0, differ: 1, usage: 2 } as const;

async function main(args: readonly string[]): Promise<number> {
  const task = readTask(args);
  if (task === undefined) {
    process.stdout.write(HELP);
    return EXIT.agree;
  }
  const isAgreed = await runTask(task, { out: process.stdout, warn });
  return isAgreed ? EXIT.agree : EXIT.differ;
}

function warn(line: string): void {
  process.stderr.write(`${line}\n`);
}

function because(cause: unknown): string {
  return cause === undefined ? "" : ` (${reasonOf(cause)})`;
}

/** One line for what can be expected to happen, everything for what cannot. */
function explain(error: unknown): string {
  if (isHoldfastError(error, "COMMIT_UNKNOWN"))
    return `the store did not say whether the last records were saved${because(error.cause)}; run the command again`;
  if (!(error instanceof Error)) return String(error);
  const isExpected = error instanceof UsageError || isHoldfastError(error) || "syscall" in error;
  return isExpected ? error.message : (error.stack ?? error.message);
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  warn(`holdfast: ${explain(error)}`);
  process.exitCode = error instanceof UsageError ? EXIT.usage : EXIT.differ;
}
