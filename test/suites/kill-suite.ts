/** Processes that are killed again and again, on any store that outlives them. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { createRuntime } from "../../src/runtime/runtime.ts";
import { seededRandom } from "../../src/testing/random.ts";
import { startChild, type Child } from "../support/child.ts";
import { testDirectory } from "../support/directory.ts";
import { storedRun } from "../support/sequencer.ts";
import { killCycles } from "../faults/kill-cycles.ts";
import { openStore } from "../faults/open-store.ts";

const LONGEST_MS = 60;
/** When the kills have not hit what is to be shown, so many times as many may. */
const CYCLES_MAX_FACTOR = 4;
/** Nightly runs kill so many times as often. */
const SCALE = process.env["TEST_SCALE"] === "nightly" ? 20 : 1;

/** What is stored of a run: how many steps are finished, and which effects have their value. */
interface Stored {
  readonly finished: number;
  readonly effects: ReadonlySet<string>;
}

async function storedOf(kind: string, dir: string, runId: string): Promise<Stored> {
  const store = openStore(kind, dir);
  const record = await storedRun(store, runId);
  await store.close();
  const effects = new Set(Object.values(record?.["effects"] ?? {}).flatMap(Object.keys));
  const names = Object.values(record?.["steps"] ?? []).slice(0, Number(record?.["stepIndex"]));
  return { finished: names.filter((name) => name !== "look").length, effects };
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
    if (what === "effect") expect(stored.effects).not.toContain(`effect ${index}`);
  }
}

/** Kills writers and runs on the store of `kind` at `place`, so many times each. */
export function killSuite(kind: string, place: string, { cycles }: { cycles: number }): void {
  const count = cycles * SCALE;
  const timeout = count * 6_000;

  it(
    `P2 every answered write on ${kind} survives SIGKILL, no state is torn`,
    { timeout },
    async () => {
      expect(await killCycles(kind, place, count)).toBeGreaterThan(count);
    },
  );

  it(`once on ${kind} holds for a delivery that is repeated after SIGKILL`, { timeout }, () =>
    killWebhooks(kind, place, Math.ceil(count / 6)),
  );

  // No finished step is run twice or skipped, also under the steps of another release (Q1–Q5, L1, N1).
  it(
    `a run on ${kind} goes on after each of ${count} kills`,
    { timeout: timeout * CYCLES_MAX_FACTOR },
    async () => {
      const logs = testDirectory(`sequencer-log-${kind}`);
      await killRuns({ kind, place, logs, count });
    },
  );
}

/**
 * Each cycle begins with the first delivery without an answer: the process before may have stored
 * it, and was killed before it could answer.
 */
async function killWebhooks(kind: string, place: string, count: number): Promise<void> {
  const random = seededRandom(11);
  let next = 0;
  for (let cycle = 0; cycle < count; cycle += 1) {
    const child = startChild("webhook.ts", [kind, place, `${next}`]);
    child.begin();
    await child.started;
    await sleep(random() * LONGEST_MS);
    child.process.kill("SIGKILL");
    await child.closed;
    for (const line of child.output().split("\n").slice(0, -1)) {
      // The n-th delivery is the n-th change, also when it is repeated.
      expect(line).toBe(`${next} ${next + 1}`);
      next += 1;
    }
  }
  const runtime = createRuntime({ store: openStore(kind, place) });
  const account = await runtime.open<{ sum: number; seen: number[] }>("user", "account");
  const { sum, seen } = account.state;
  await runtime.close();
  expect(seen).toEqual(Array.from({ length: sum }, (_, delivery) => delivery));
  expect([next, next + 1]).toContain(sum);
}

async function killRuns(at: {
  readonly kind: string;
  readonly place: string;
  readonly logs: string;
  readonly count: number;
}): Promise<void> {
  const { kind, place, logs, count } = at;
  const random = seededRandom(7);
  const child = (cycle: number, first: number): Child =>
    startChild("sequence.ts", [kind, place, join(logs, `${cycle}.log`), `${first}`, `${cycle}`]);
  let next = 0;
  let stored: Stored = { finished: 0, effects: new Set() };
  let resumed = 0;
  let changed = 0;
  let running = child(0, next);
  // A slow machine may kill every run near its begin or its end.
  const isEnough = (cycle: number): boolean => cycle >= count && resumed > 0 && changed > 0;
  for (let cycle = 0; cycle < count * CYCLES_MAX_FACTOR && !isEnough(cycle); cycle += 1) {
    const began = performance.now();
    running.begin();
    await running.started;
    // A run that takes longer is to be hit in its middle as well.
    await sleep(random() * Math.max(LONGEST_MS, performance.now() - began));
    running.process.kill("SIGKILL");
    await running.closed;
    const lines = linesOf(join(logs, `${cycle}.log`));
    expectNothingTwice(lines, `run-${next}`, stored);
    if (stored.finished > 0) resumed += 1;
    changed += lines.filter((line) => line.startsWith("changed")).length;
    for (const line of running.output().split("\n").slice(0, -1)) {
      const [, run, state] = line.split(" ");
      expect(JSON.parse(state ?? "")).toEqual({ sum: 111_111 });
      expect(Number(run)).toBe(next);
      next += 1;
    }
    stored = await storedOf(kind, place, `run-${next}`);
    running = child(cycle + 1, next);
  }
  running.process.kill("SIGKILL");
  await running.closed;
  // The kills must have hit runs in the middle, or nothing was shown.
  expect(next).toBeGreaterThanOrEqual(count);
  expect(resumed).toBeGreaterThan(0);
  expect(changed).toBeGreaterThan(0);
}
