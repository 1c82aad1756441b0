/** K5's memory and K7: figures that need a process of their own. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { atMost, figure, type Section } from "../support.ts";
import type { MemoryReport } from "./memory-child.ts";

const run = promisify(execFile);

/** K5, the memory, and K7. */
export async function memorySection(): Promise<Section> {
  const child = fileURLToPath(new URL("memory-child.ts", import.meta.url));
  const { stdout } = await run(process.execPath, ["--expose-gc", "--import", "tsx", child]);
  // The child prints nothing but its report.
  const report = JSON.parse(stdout) as MemoryReport;
  const waiting = { id: "K5", work: "memory per waiting atomicState call" };
  const stored = { id: "K5", work: "memory per waiting incState call, stored" };
  const alone = { id: "K7", work: "memory per idle createScope, beyond its state" };
  const used = { id: "K7", work: "the same after one mutation and a read" };
  const resident = { id: "K7", work: "memory per idle scope resident in a runtime" };
  return {
    title: "K5, K7: live memory, after garbage collection in a process of its own",
    notes: [
      "waiting: 100,000 calls of one async function behind one that hangs; promises not kept.",
      "waiting, stored: 100,000 incState of one scope behind a commit that does not end.",
      "createScope: 20,000 with 2 fields, less what the 20,000 frozen states take alone.",
      "resident: 20,000 of a volatile kind, with its key and identity; the initial state is shared.",
      "least: without the work itself and its arguments, and by whatever library.",
    ],
    timings: [],
    table: [
      ["the least that a waiting call takes on this Node", "bytes"],
      ["a promise, its resolver and a record of five fields", figure(report.leastCall)],
      ["the same with an async context", figure(report.leastAsyncCall)],
    ],
    goals: [
      atMost(waiting, report.waitingCall, 300, "B"),
      atMost(stored, report.storedCall, 250, "B"),
      atMost(alone, report.freshScope, 500, "B"),
      atMost(used, report.usedScope, 500, "B"),
      atMost(resident, report.residentScope, 450, "B"),
    ],
  };
}
