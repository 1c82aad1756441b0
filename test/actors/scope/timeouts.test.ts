import { describe, expect, it } from "vitest";
import { DeadlineSweep, sweepOf, type Expirable } from "../../../actors/scope/timeouts.ts";
import type { Clock } from "../../../actors/protocol.ts";
import { refuseReentry, RunContext } from "../../../actors/scope/reentrancy.ts";
import { simulatedClock } from "../../../src/testing/clock.ts";

function subject(next: number[] = []): Expirable & { readonly times: number[] } {
  const times: number[] = [];
  return {
    times,
    expire: (now) => {
      times.push(now);
      return next.shift() ?? Infinity;
    },
  };
}

describe("a deadline sweep", () => {
  it("D1: calls each subject at its deadline, and again at the one it names next", async () => {
    const clock = simulatedClock();
    const sweep = new DeadlineSweep(clock);
    const [one, two] = [subject([70]), subject()];
    sweep.watch(one, 50);
    sweep.watch(two, 20);
    await clock.advance(1_000);
    expect([one.times, two.times]).toEqual([[50, 70], [20]]);
    expect(clock.pending).toBe(0);
  });

  it("D1: takes the earlier of two deadlines of a subject, and never calls before it", async () => {
    const clock = simulatedClock();
    const sweep = new DeadlineSweep(clock);
    const one = subject();
    sweep.watch(one, 500);
    sweep.watch(one, 80);
    sweep.watch(one, 300);
    await clock.advance(79);
    expect(one.times).toEqual([]);
    await clock.advance(1);
    expect(one.times).toEqual([80]);
  });

  it("D1: keeps a deadline that a subject comes to while it is called", async () => {
    const clock = simulatedClock();
    const sweep = new DeadlineSweep(clock);
    const times: number[] = [];
    const one: Expirable = {
      expire: (now) => {
        times.push(now);
        if (times.length === 1) sweep.watch(one, 70);
        return times.length === 2 ? 90 : Infinity;
      },
    };
    sweep.watch(one, 50);
    await clock.advance(1_000);
    expect(times).toEqual([50, 70, 90]);
    expect(clock.pending).toBe(0);
  });

  it("D1: waits for a deadline beyond the longest timer", async () => {
    const clock = simulatedClock();
    const sweep = new DeadlineSweep(clock);
    const one = subject();
    sweep.watch(one, 2 ** 32);
    await clock.advance(2 ** 32 - 1);
    expect(one.times).toEqual([]);
    await clock.advance(1);
    expect(one.times).toEqual([2 ** 32]);
  });

  it.each([3_600_000, -3_600_000])("D1: goes by no time of day: set by %i ms", async (byMs) => {
    const clock = simulatedClock(10_000_000);
    const sweep = new DeadlineSweep(clock);
    const [one, two] = [subject(), subject()];
    sweep.watch(one, clock.monotonic() + 100);
    sweep.watch(two, clock.monotonic() + 10_000);
    await clock.advance(50);
    clock.setTime(clock.now() + byMs);
    await clock.advance(49);
    expect(one.times).toEqual([]);
    await clock.advance(1);
    expect([one.times.length, two.times]).toEqual([1, []]);
    await clock.advance(9_900);
    expect(two.times).toEqual([10_010_000]);
  });

  it("D1: a timer that fired proves its time to a clock that stands still", () => {
    let fire: (() => void) | undefined;
    const set = (callback: () => void): void => {
      fire = callback;
    };
    const clock: Clock = { now: () => 7, setTimeout: set, clearTimeout: () => undefined };
    const sweep = new DeadlineSweep(clock);
    const one = subject();
    sweep.watch(one, 107);
    fire?.();
    expect(one.times).toEqual([107]);
  });

  it("asks nothing of a clock for a subject without a deadline, and one timer for many", () => {
    const clock = simulatedClock();
    const sweep = new DeadlineSweep(clock);
    sweep.watch(subject(), Infinity);
    expect(clock.pending).toBe(0);
    for (let at = 1_000; at > 0; at--) sweep.watch(subject(), at);
    expect(clock.pending).toBe(1);
  });

  it("does not call who was forgotten, and takes who comes and goes during a sweep", async () => {
    const clock = simulatedClock();
    const sweep = new DeadlineSweep(clock);
    const [gone, late] = [subject(), subject()];
    const busy: Expirable = {
      expire: () => {
        sweep.unwatch(gone);
        sweep.unwatch(busy);
        sweep.watch(late, 30);
        return 25;
      },
    };
    sweep.watch(busy, 10);
    sweep.watch(gone, 10);
    await clock.advance(100);
    expect([gone.times, late.times]).toEqual([[], [30]]);
  });

  it("expires outside the turn in which the timer was set", () => {
    let fire: (() => void) | undefined;
    const set = (callback: () => void): void => {
      fire = callback;
    };
    const clock: Clock = { now: () => 0, setTimeout: set, clearTimeout: () => undefined };
    const sweep = new DeadlineSweep(clock);
    const identity = { type: "t", id: "i" };
    const holder = { identity };
    let calls = 0;
    const expire = (): number => {
      refuseReentry(holder);
      calls += 1;
      return Infinity;
    };
    sweep.watch({ expire }, -1);
    new RunContext(1).run(holder, () => fire?.());
    expect(calls).toBe(1);
  });

  it("D2: keeps the process alive exactly while somebody has a deadline", () => {
    let isKept = true;
    const handle = { ref: () => (isKept = true), unref: () => (isKept = false) };
    const clock: Clock = { now: () => 0, setTimeout: () => handle, clearTimeout: () => undefined };
    const sweep = new DeadlineSweep(clock);
    const [one, two] = [subject(), subject()];
    sweep.watch(one, 10);
    sweep.watch(two, 20);
    sweep.unwatch(one);
    expect(isKept).toBe(true);
    sweep.unwatch(two);
    expect(isKept).toBe(false);
    sweep.watch(one, 30);
    expect(isKept).toBe(true);
  });

  it("is one per clock", () => {
    const clock = simulatedClock();
    expect(sweepOf(clock)).toBe(sweepOf(clock));
    expect(sweepOf(clock)).not.toBe(sweepOf(simulatedClock()));
  });
});
