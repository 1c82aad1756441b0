/** Several real processes add to one counter, on any store they can share. */
import { expect, it } from "vitest";
import { createRuntime } from "../../src/runtime/runtime.ts";
import { openStore } from "../faults/open-store.ts";
import { startChild } from "../support/child.ts";

const PROCESSES = 4;
const TIMES = process.env["TEST_SCALE"] === "nightly" ? 1_000 : 100;

/** What one process says in the end. */
interface Report {
  readonly answered: number;
  readonly codes: Readonly<Record<string, number>>;
}

/** Where the processes meet. */
export interface MeetingPlace {
  /** As `openStore` knows it. */
  readonly kind: string;
  /** A place nobody has used. */
  readonly fresh: () => string;
}

async function contend(kind: string, place: string, args: readonly string[]): Promise<Report[]> {
  const children = Array.from({ length: PROCESSES }, () =>
    startChild("contender.ts", [kind, place, String(TIMES), ...args]),
  );
  await Promise.all(children.map((child) => child.started));
  for (const child of children) child.begin();
  const codes = await Promise.all(children.map((child) => child.closed));
  expect(codes).toEqual(codes.map(() => 0));
  return children.map((child) => {
    const last = child.output().trim().split("\n").at(-1) ?? "";
    return JSON.parse(last) as Report; // The child prints it as its last line.
  });
}

async function stored(kind: string, place: string): Promise<{ n: number; version: number }> {
  const runtime = createRuntime({ store: openStore(kind, place) });
  const { state, version } = await runtime.open<{ n?: number }>("user", "counter");
  await runtime.close();
  return { n: state.n ?? 0, version };
}

/** Registers the cases for one kind of store. */
export function contentionSuite({ kind, fresh }: MeetingPlace): void {
  it.each(["burst", "sequence"])(
    `P8 ${PROCESSES} processes × ${TIMES} increments on one key of ${kind}, %s: every one counts`,
    { timeout: 120_000 },
    async (how) => {
      const place = fresh();
      const reports = await contend(kind, place, [how]);
      expect(reports).toEqual(reports.map(() => ({ answered: TIMES, codes: {} })));
      const total = PROCESSES * TIMES;
      expect(await stored(kind, place)).toEqual({ n: total, version: total });
    },
  );

  it(
    `P8 without escalation only conflicts fail on ${kind}, and what was answered is there`,
    { timeout: 120_000 },
    async () => {
      const place = fresh();
      const reports = await contend(kind, place, ["sequence", "false"]);
      const answered = reports.reduce((sum, report) => sum + report.answered, 0);
      const failed = reports.reduce((sum, { codes }) => {
        expect(Object.keys(codes).filter((code) => code !== "CONCURRENT_MODIFICATION")).toEqual([]);
        return sum + (codes["CONCURRENT_MODIFICATION"] ?? 0);
      }, 0);
      expect(answered + failed).toBe(PROCESSES * TIMES);
      expect(await stored(kind, place)).toEqual({ n: answered, version: answered });
    },
  );
}
