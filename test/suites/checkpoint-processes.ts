/** Several real processes add to one checkpoint scope, on any store they can share. */
import { expect, it } from "vitest";
import { createRuntime } from "../../src/runtime/runtime.ts";
import { openStore } from "../faults/open-store.ts";
import { startChild, type Child } from "../support/child.ts";
import type { MeetingPlace } from "./contention-suite.ts";
import { until } from "../support/waiting.ts";

const TIMES = 100;
const FLUSH_EVERY = 10;

/** What a process has said last. */
interface Report {
  readonly answered: number;
  readonly stored: number;
}

function lastOf(child: Child): Report {
  const reports = child
    .output()
    .trim()
    .split("\n")
    .filter((line) => line.startsWith("{"));
  // The child prints reports on lines of their own.
  return JSON.parse(reports.at(-1) ?? '{"answered":0,"stored":0}') as Report;
}

async function begin(place: MeetingPlace, at: string, args: readonly string[][]): Promise<Child[]> {
  const children = args.map((each) => startChild("checkpointer.ts", [place.kind, at, ...each]));
  await Promise.all(children.map((child) => child.started));
  for (const child of children) child.begin();
  return children;
}

async function stored(kind: string, at: string): Promise<number> {
  const runtime = createRuntime({ store: openStore(kind, at) });
  runtime.declare("draft", {
    durability: "commit",
  });
  const { state } = await runtime.open<{ n?: number }>("draft", "counter");
  await runtime.close();
  return state.n ?? 0;
}

/** Registers the cases for one kind of store. */
export function checkpointProcesses(place: MeetingPlace): void {
  it.each([2, 4])(
    `E1 %i processes × ${TIMES} increments of one checkpoint scope on ${place.kind}: all are stored`,
    { timeout: 120_000 },
    async (count) => {
      const at = place.fresh();
      const args = Array.from({ length: count }, () => [String(TIMES)]);
      const children = await begin(place, at, args);
      expect(await Promise.all(children.map((child) => child.closed))).toEqual(args.map(() => 0));
      expect(children.map((child) => lastOf(child).answered)).toEqual(args.map(() => TIMES));
      expect(await stored(place.kind, at)).toBe(count * TIMES);
    },
  );

  it(
    `E1 a process killed beside another loses on ${place.kind} only what it had not flushed`,
    { timeout: 120_000 },
    async () => {
      const at = place.fresh();
      const every = String(FLUSH_EVERY);
      const [dying, living] = await begin(place, at, [
        ["1000000", every],
        [String(TIMES), every],
      ]);
      if (dying === undefined || living === undefined) throw new Error("two were started");
      expect(await living.closed).toBe(0);
      // On a busy machine the other one may be done before this one has flushed at all.
      await until(() => lastOf(dying).stored > 0, 60_000);
      dying.process.kill("SIGKILL");
      await dying.closed;
      const certain = lastOf(dying).stored;
      const found = await stored(place.kind, at);
      expect(certain).toBeGreaterThan(0);
      expect(found).toBeGreaterThanOrEqual(TIMES + certain);
      // It goes on for at most one flush after what it said last.
      expect(found).toBeLessThanOrEqual(TIMES + certain + FLUSH_EVERY);
    },
  );
}
