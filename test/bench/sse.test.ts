/** Readers in another process receive every version once, or one snapshot after a gap. */
import { describe, expect, it } from "vitest";
import { serve } from "../../bench/sse/crowd.ts";
import { StreamCheck } from "../../bench/sse/stream-check.ts";

describe("many readers of a scope", () => {
  it("receive each change, and those that stopped reading a snapshot", async () => {
    const crowd = { readers: 60, stopped: 5, perSecond: 500, seconds: 1, size: 30_000 };
    const served = await serve(crowd);
    expect(served.faults).toEqual([]);
    expect(served.made).toBe(500);
    if (served.snapshots === 0) expect(served.changes).toBe(500 * 60);
    // What the kernel holds for a connection that is not read is less than the changes.
    expect(served.stoppedSnapshots).toHaveLength(5);
    expect(Math.min(...served.stoppedSnapshots)).toBeGreaterThan(0);
    expect(served.keptBytes).toBeLessThan(2 ** 21);
  });
});

describe("the check of a stream", () => {
  const event = (type: string, id: number): string => `id: ${id}\nevent: ${type}\ndata: {}\n\n`;

  it("takes events that are cut anywhere", () => {
    const text = `:\n\n${event("snapshot", 3)}2f\r\n${event("change", 4)}\r\n${event("change", 5)}`;
    for (let at = 0; at < text.length; at += 1) {
      const check = new StreamCheck();
      check.feed(text.slice(0, at));
      check.feed(text.slice(at));
      expect(check).toMatchObject({ version: 5, changes: 2, snapshots: 1 });
      expect(check.fault).toBe(undefined);
    }
  });

  it.each([
    ["a version that is missing", [3, 5]],
    ["a version that comes twice", [3, 4, 4]],
  ])("sees %s", (_, [first = 0, ...changes]) => {
    const check = new StreamCheck();
    check.feed(event("snapshot", first));
    for (const id of changes) check.feed(event("change", id));
    expect(check.fault).toMatch(/^change \d after version \d$/);
  });
});
