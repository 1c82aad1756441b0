#!/usr/bin/env node
/** The program `holdfast`: reads, changes, moves and checks what a store has. See its `--help`. */
import { createRequire } from "node:module";
import { isHoldfastError } from "../../actors/errors.ts";
import { isError } from "../../actors/realm.ts";
import { reasonOf } from "../stores/shared/retry-until.ts";
import { runTask } from "./commands.ts";
import { DamagedFileError } from "./export-file.ts";
import { HistoryLostError } from "./transfer.ts";
import { readTask, UsageError } from "./options.ts";
import { helpText, verbHelp } from "./help.ts";

const EXIT = { agree: 0, differ: 1, usage: 2 } as const;
const ARGS = process.argv.slice(2);

async function main(args: readonly string[]): Promise<number> {
  const task = readTask(args);
  if ("help" in task) process.stdout.write(task.help === null ? helpText() : verbHelp(task.help));
  if ("version" in task) process.stdout.write(`${version()}\n`);
  if (!("verb" in task)) return EXIT.agree;
  const isAgreed = await runTask(task, { out: process.stdout, warn, terminal: process.stderr });
  return isAgreed ? EXIT.agree : EXIT.differ;
}

/** By the package's own name, because the depth of this file varies. */
function version(): string {
  const about: unknown = createRequire(import.meta.url)("holdfast/package.json");
  return typeof about === "object" && about !== null && "version" in about
    ? String(about.version)
    : "unknown";
}

function warn(line: string): void {
  process.stderr.write(`${line}\n`);
}

function hasCode(error: unknown, code: string): error is Error {
  return isError(error) && "code" in error && error.code === code;
}

/** One line for an expected error, the stack for any other. */
function explain(error: unknown): string {
  if (isHoldfastError(error, "COMMIT_UNKNOWN")) return explainUnknown(error.cause);
  if (hasCode(error, "EEXIST") && "path" in error)
    return `there is a file ${String(error.path)} already; export overwrites none`;
  if (!isError(error)) return String(error);
  const isOurs =
    error instanceof UsageError ||
    error instanceof DamagedFileError ||
    error instanceof HistoryLostError;
  const isExpected = isOurs || isHoldfastError(error) || "syscall" in error;
  return isExpected ? error.message : (error.stack ?? error.message);
}

/** Reports why the command failed: as a line, or with `--json` as an object. */
function report(error: unknown): void {
  if (hasCode(error, "EPIPE")) return;
  const message = explain(error);
  const code = isHoldfastError(error)
    ? error.code
    : error instanceof UsageError
      ? "USAGE"
      : "FAILED";
  // The line may be one that cannot be read as a task.
  const end = ARGS.indexOf("--");
  const isJson = (end < 0 ? ARGS : ARGS.slice(0, end)).includes("--json");
  warn(isJson ? JSON.stringify({ error: { code, message } }) : `holdfast: ${message}`);
}

function explainUnknown(cause: unknown): string {
  const reason = cause === undefined ? "" : ` (${reasonOf(cause)})`;
  const what = "the store did not confirm whether the last records were saved";
  return `${what}${reason}; run the command again`;
}

// A reader such as `head` may close the pipe. Without a listener that would be a crash.
process.stdout.on("error", (error) => {
  report(error);
  process.exitCode = EXIT.differ;
});

try {
  process.exitCode = await main(ARGS);
} catch (error) {
  report(error);
  process.exitCode = error instanceof UsageError ? EXIT.usage : EXIT.differ;
}
