/** A program that prints an address and serves it until it is interrupted. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { onTestFinished } from "vitest";
import { programOf } from "./programs.ts";
import { until } from "./waiting.ts";

/** A program that serves. */
export interface ServedProgram {
  readonly url: string;
  /** What it has printed so far, on both streams. */
  readonly output: () => string;
  /** Sends SIGINT and gives the exit code. */
  readonly interrupt: () => Promise<number | null>;
}

/** Starts the program of a source file; it is killed at the end of a test that did not end it. */
export async function servedProgram(
  source: string,
  args: readonly string[],
): Promise<ServedProgram> {
  const child = spawn(process.execPath, [programOf(source), ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const closed = once(child, "close");
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await closed;
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => (output += text));
  const found = (): string | undefined => /http:\/\/\S+/.exec(output)?.[0];
  await until(() => found() !== undefined || child.exitCode !== null);
  const url = found();
  if (url === undefined) throw new Error(`it serves nothing: ${output}`);
  return {
    url,
    output: () => output,
    async interrupt() {
      child.kill("SIGINT");
      await closed;
      return child.exitCode;
    },
  };
}
