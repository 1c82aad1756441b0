/** K5's memory, K7 and I1: figures that need a process of their own. */
import { execFile, spawnSync } from "node:child_process";
import { performance } from "node:perf_hooks";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { isBuilt, subjectUrl } from "../subject.ts";
import { atMost, median, type Section } from "../support.ts";
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
    ],
    timings: [],
    goals: [
      atMost(waiting, report.waitingCall, 300, "B"),
      atMost(stored, report.storedCall, 250, "B"),
      atMost(alone, report.freshScope, 500, "B"),
      atMost(used, report.usedScope, 500, "B"),
      atMost(resident, report.residentScope, 450, "B"),
    ],
  };
}

/** I1. */
export async function startSection(rounds = 15): Promise<Section> {
  const bare: number[] = [];
  const loaded: number[] = [];
  for (let round = -2; round < rounds; round++) {
    const without = startMs("");
    const withUs = startMs(`import ${JSON.stringify(subjectUrl)};`);
    if (round < 0) continue;
    bare.push(without);
    loaded.push(withUs);
  }
  const extra = median(loaded.map((time, round) => time - (bare[round] ?? Number.NaN)));
  const timing = (name: string, times: readonly number[]): Section["timings"][number] => ({
    name,
    median: median(times) * 1e6,
    min: Math.min(...times) * 1e6,
    max: Math.max(...times) * 1e6,
    ratio: median(times) / median(bare),
  });
  return {
    title: 'I1: import "holdfast" in a fresh process',
    notes: [isBuilt ? "the compiled library" : "the sources through tsx: no fresh build"],
    timings: [timing("node -e", bare), timing("with the import", loaded)],
    goals: [atMost({ id: "I1", work: 'import "holdfast" over bare node' }, extra, 40, "ms")],
  };
}

function startMs(code: string): number {
  const flags = isBuilt ? [] : ["--import", "tsx"];
  const start = performance.now();
  const done = spawnSync(process.execPath, [...flags, "--input-type=module", "-e", code]);
  if (done.status !== 0) throw new Error(`the import failed: ${String(done.stderr)}`);
  return performance.now() - start;
}
