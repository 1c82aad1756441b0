/** What the bench of sequencers measures is a run of all its steps, and an absent peer is named. */
import { describe, expect, it } from "vitest";
import { isRight, STEPS } from "../../bench/sequencer/engine.ts";
import { ours, WAYS_OF_OURS } from "../../bench/sequencer/ours.ts";
import { NOT_INSTALLED, startPeer } from "../../bench/sequencer/peers.ts";

describe("the bench of sequencers", () => {
  it.each(WAYS_OF_OURS)("does its runs as %s", async (way) => {
    const engine = ours("memory", way);
    for (const count of [1, 2]) {
      const done = await engine.run(count);
      expect(done.map(({ value }) => value)).toEqual(Array.from({ length: count }, () => STEPS));
      expect(done.every(isRight)).toBe(true);
    }
    await engine.close();
  });

  it("counts no run that left out a step or did one twice", () => {
    expect(isRight({ value: STEPS, starts: [1, 2] })).toBe(false);
    expect(isRight({ value: STEPS - 1, starts: Array.from({ length: STEPS }, () => 1) })).toBe(
      false,
    );
  });

  it("says what to install for a peer that is absent, and why another cannot run", async () => {
    const start = (): never => {
      throw new Error("no server\nand more");
    };
    expect(await startPeer("X", "no-such-package", start)).toEqual({
      name: "X",
      reason: NOT_INSTALLED,
    });
    const there = await startPeer("X", "../package.json", start);
    expect(there).toEqual({ name: "X", reason: "cannot run: no server" });
  });
});
