/** Several processes that count for a bench: every call is tallied, and a wrong sum is seen. */
import { describe, expect, it } from "vitest";
import { Tally } from "../../bench/contention/competitor.ts";
import { Busy, crewContender, type Crew } from "../../bench/durable/crew.ts";
import type { Way } from "../../bench/durable/job.ts";
import type { Trial } from "../../bench/support.ts";

function crew(way: Way): Crew {
  return { name: "two", processes: 2, way, isShared: true, lanes: 5, turns: 4 };
}

/** A crew that has worked. */
async function worked(members: Crew, tally: Tally): Promise<Trial> {
  const trial = await crewContender("sqlite", members, { tally, busy: new Busy() }).prepare();
  await trial.run();
  return trial;
}

describe("a crew", () => {
  it.each(["holdfast", "naive"] as const)("counts exactly, the %s way", async (way) => {
    const tally = new Tally();
    const trial = await worked(crew(way), tally);
    expect(await trial.check()).toBe(true);
    expect(tally).toMatchObject({ succeeded: 40, failed: 0, lost: 0 });
    expect(tally.latencies.length).toBeGreaterThan(0);
    expect(trial.done?.()).toBe(40);
  });

  it("is wrong when the calls do not add up", async () => {
    // Half a turn is made as a whole one, so there are more answers than calls were asked for.
    const trial = await worked({ ...crew("naive"), turns: 3.5 }, new Tally());
    expect(await trial.check()).toBe(false);
  });
});
