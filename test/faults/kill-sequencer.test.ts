/** Runs that are killed go on where they were: no finished step is run twice (Q1–Q4, L1). */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { createRuntime } from "../../src/index.ts";
import { seededRandom } from "../../src/testing/random.ts";
import { startChild } from "../support/child.ts";
import { testDirectory } from "../support/directory.ts";
import { openStore } from "./open-store.ts";

const CYCLES = process.env["TEST_SCALE"] === "nightly" ? 500 : 30;
const LONGEST_MS = 60;

/** What is stored of a run: how many steps are finished, and which effects have their value. */
interface Stored {
  readonly finished: number;
  readonly effects: ReadonlySet<string>;
}

async function storedOf(kind: string, dir: string, runId: string): Promise<Stored> {
  const runtime = createRuntime({ store: openStore(kind, dir) });
  const [checkpoint] = await runtime.checkpoints(runId);
  const record = await runtime.open<{ once?: object }>("sequencer", runId);
  const effects = new Set(Object.keys(record.state.once ?? {}));
  await runtime.close();
  return { finished: checkpoint?.stepIndex ?? 0, effects };
}

function linesOf(log: string): string[] {
  return existsSync(log) ? readFileSync(log, "utf8").split("\n").slice(0, -1) : [];
}

/** Nothing in `lines` repeats what was stored of `runId` before they were written. */
function expectNothingTwice(lines: readonly string[], runId: string, stored: Stored): void {
  for (const line of lines) {
    const [what, run, index] = line.split(" ");
    if (run !== runId) continue;
    if (what === "step") expect(Number(index)).toBeGreaterThanOrEqual(stored.finished);
    else expect(stored.effects).not.toContain(`effect ${index}`);
  }
}

for (const kind of ["sqlite", "file"]) {
  it(`resumes after each of ${CYCLES} kills, ${kind}`, { timeout: 300_000 }, async () => {
    const dir = testDirectory(`sequencer-${kind}`);
    const logs = testDirectory(`sequencer-log-${kind}`);
    const random = seededRandom(7);
    const child = (cycle: number, first: number) =>
      startChild("sequence.ts", [kind, dir, join(logs, `${cycle}.log`), `${first}`]);
    let next = 0;
    let stored: Stored = { finished: 0, effects: new Set() };
    let resumed = 0;
    let running = child(0, next);
    for (let cycle = 0; cycle < CYCLES; cycle += 1) {
      running.begin();
      await running.started;
      await sleep(random() * LONGEST_MS);
      running.process.kill("SIGKILL");
      await running.closed;
      const lines = linesOf(join(logs, `${cycle}.log`));
      expectNothingTwice(lines, `run-${next}`, stored);
      if (stored.finished > 0) resumed += 1;
      for (const line of running.output().split("\n").slice(0, -1)) {
        const [, run, state] = line.split(" ");
        expect(JSON.parse(state ?? "")).toEqual({ sum: 111_111 });
        expect(Number(run)).toBe(next);
        next += 1;
      }
      stored = await storedOf(kind, dir, `run-${next}`);
      running = child(cycle + 1, next);
    }
    running.process.kill("SIGKILL");
    await running.closed;
    // The kills must have hit runs in the middle, or nothing was shown.
    expect(next).toBeGreaterThan(CYCLES);
    expect(resumed).toBeGreaterThan(0);
  });
}
