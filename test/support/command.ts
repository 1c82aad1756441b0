/** The command `holdfast`: as a process of its own, and in the process of a test. */
import { execFile } from "node:child_process";
import { PassThrough } from "node:stream";
import { runTask } from "../../src/cli/commands.ts";
import { readTask } from "../../src/cli/options.ts";
import { programOf } from "./programs.ts";

/** How a process has ended. */
export interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs the command as a process. */
export function holdfast(...args: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    const all = [programOf("src/cli/main.ts"), ...args];
    execFile(process.execPath, all, (error, out, err) => {
      // A child that was killed has no code.
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), out, err });
    });
  });
}

/** What a command has printed and returned. */
export interface Done {
  readonly isDone: boolean;
  readonly text: string;
  readonly warnings: readonly string[];
}

/** Runs the command here. */
export async function command(...args: readonly string[]): Promise<Done> {
  const task = readTask(args);
  if (!("verb" in task)) throw new Error("no task");
  const out = new PassThrough();
  const text = out.toArray(); // Read as it is written: a pipe that is full would wait.
  const warnings: string[] = [];
  const isDone = await runTask(task, { out, warn: (line) => warnings.push(line) });
  out.end();
  return { isDone, text: (await text).join(""), warnings };
}
