/** Answers 50 questions; the process is killed after the tool of number 25, and starts again. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const QUESTIONS = 50;
const DIR = await mkdtemp(join(tmpdir(), "agent-loop-"));

async function work(CRASH_AT: string): Promise<void> {
  const env = { ...process.env, DIR, QUESTIONS: String(QUESTIONS), CRASH_AT };
  const [code, signal] = await once(fork("worker.ts", { env }), "exit");
  console.log("worker ended by", signal ?? code);
}

await work("tea no. 25");
await work("none");

const calls = (await readFile(join(DIR, "tool.log"), "utf8")).trim().split("\n");
console.log("calls of the tool:", calls.length, "for", new Set(calls).size, "questions");
await rm(DIR, { recursive: true });
