/**
 * Runs whose processes are killed, at every point of them, on any store that outlives them; the
 * recovery of another process ends each.
 */
import { expect, it } from "vitest";
import { startChild } from "../support/child.ts";

/** Nightly runs have more steps. */
const STEPS = process.env["TEST_SCALE"] === "nightly" ? 8 : 2;
/** Of each step: its begin, the inside and the end of its value, and of its transaction. */
const POINTS = 5;
/** As in the program. */
const MAX_STARTS = 2;

/** Registers what holds of killed runs on the store of `kind` at `place`. */
export function recoveredSuite(kind: string, place: string): void {
  const child = (point: string) => startChild("recovered.ts", [kind, place, `${STEPS}`, point]);
  const killed = async (point: string): Promise<void> => {
    const { process, closed } = child(point);
    await closed;
    expect(process.signalCode).toBe("SIGKILL");
  };
  const timeout = STEPS * POINTS * 6_000;

  it(`runs on ${kind} end, whatever point they were killed at`, { timeout }, async () => {
    const points = Array.from({ length: STEPS * POINTS }, (_, point) => point);
    for (const point of points) await killed(`${point}`);
    const recovering = child("recover");
    expect(await recovering.closed).toBe(0);
    const lines = recovering.output().trim().split("\n");
    // A run that was killed before its first record was stored is none.
    expect(lines.length).toBeGreaterThanOrEqual(points.length - 1);
    const output = "abcdefgh".slice(0, STEPS);
    for (const line of lines)
      expect(line.replace(/^run-\d+ /, "")).toBe(`completed ${output} ${STEPS}`);
  });

  it(`a run on ${kind} that kills its process each time is given up`, { timeout }, async () => {
    for (const point of ["poison", ...Array.from({ length: MAX_STARTS }, () => "abandon")])
      await killed(point);
    const recovering = child("abandon");
    expect(await recovering.closed).toBe(0);
    expect(recovering.output()).toBe("run-poison failed RUN_ABANDONED\n");
  });
}
