/** Runs that are killed at every point are completed by the recovery of another process. */
import { expect, it } from "vitest";
import { startChild } from "../support/child.ts";
import { testDirectory } from "../support/directory.ts";

/** The begin, the middle and the end of the effects of three steps. */
const POINTS = 9;

it("leave none running, whatever point they were killed at", async () => {
  const place = testDirectory("recovered-sqlite");
  const points = Array.from({ length: POINTS }, (_, point) => point);
  for (const point of points) {
    const child = startChild("recovered.ts", ["sqlite", place, `${point}`]);
    await child.closed;
    expect(child.process.signalCode).toBe("SIGKILL");
  }
  const recovering = startChild("recovered.ts", ["sqlite", place, "recover"]);
  expect(await recovering.closed).toBe(0);
  const lines = recovering.output().trim().split("\n");
  // A run that was killed before its first record was stored is none.
  expect(lines.length).toBeGreaterThanOrEqual(POINTS - 1);
  for (const line of lines) expect(line).toMatch(/^run-\d completed abc$/);
}, 60_000);
