import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MAX_TIMER_MS, systemClock } from "../../../actors/time/clock.ts";
import {
  createTimerWheel,
  type TimerWheel,
  type WheelHandle,
} from "../../../actors/time/timer-wheel.ts";
import type { Clock } from "../../../actors/protocol.ts";
import { refuseReentry, RunContext } from "../../../actors/scope/reentrancy.ts";
import { simulatedClock } from "../../../src/testing/clock.ts";
import { propertyRuns } from "../../support/state-value.ts";

/** Time that moves by hand, with at most one timer: the wheel needs no more. */
class HandClock implements Clock {
  time = 1_000_003;
  armed = 0;
  unrefs = 0;
  longest = 0;
  #timer: { readonly at: number; readonly callback: () => void } | undefined;

  now(): number {
    return this.time;
  }

  get waiting(): boolean {
    return this.#timer !== undefined;
  }

  setTimeout(callback: () => void, delayMs: number): unknown {
    if (this.#timer !== undefined) throw new Error("a second timer was set");
    this.armed++;
    this.longest = Math.max(this.longest, delayMs);
    this.#timer = { at: this.time + delayMs, callback };
    return { unref: () => void this.unrefs++ };
  }

  clearTimeout(): void {
    this.#timer = undefined;
  }

  advance(ms: number): void {
    const end = this.time + ms;
    while (this.#timer !== undefined && this.#timer.at <= end) this.fire();
    this.time = Math.max(this.time, end);
  }

  /** Sets the time back; a timer of the platform keeps to its delay. */
  setBack(ms: number): void {
    this.time -= ms;
    const timer = this.#timer;
    if (timer !== undefined) this.#timer = { ...timer, at: timer.at - ms };
  }

  /** Runs the timer now, and time stands still. */
  fireInPlace(): void {
    const timer = this.#timer;
    this.#timer = undefined;
    timer?.callback();
  }

  /** Runs the timer now, at its time or later. */
  fire(): void {
    const timer = this.#timer;
    this.#timer = undefined;
    if (timer === undefined) return;
    this.time = Math.max(this.time, timer.at);
    timer.callback();
  }
}

function wheel(tickMs = 10): { clock: HandClock; timers: TimerWheel; logs: unknown[] } {
  const clock = new HandClock();
  const logs: unknown[] = [];
  const logger = { warn: () => {}, error: (message: string) => void logs.push(message) };
  return { clock, timers: createTimerWheel(clock, { tickMs, logger }), logs };
}

describe("createTimerWheel", () => {
  it("runs a callback once, not early and at most a tick late", () => {
    const { clock, timers } = wheel();
    const start = clock.time;
    const ran: number[] = [];
    timers.schedule(95, () => void ran.push(clock.time - start));
    clock.advance(94);
    expect(ran).toEqual([]);
    clock.advance(10_000);
    expect(ran).toHaveLength(1);
    expect(ran[0]).toBeGreaterThanOrEqual(95);
    expect(ran[0]).toBeLessThanOrEqual(105);
    expect(timers.size).toBe(0);
  });

  it("holds a timer only while something waits, and does not keep the process", () => {
    const { clock, timers } = wheel();
    expect(clock.waiting).toBe(false);
    const first = timers.schedule(50, () => {});
    const second = timers.schedule(900, () => {});
    expect([clock.waiting, timers.size, clock.unrefs]).toEqual([true, 2, 1]);
    timers.cancel(first);
    timers.cancel(first);
    expect([clock.waiting, timers.size]).toEqual([true, 1]);
    timers.cancel(second);
    expect([clock.waiting, timers.size]).toEqual([false, 0]);
    createTimerWheel(clock, { unref: false }).schedule(5, () => {});
    expect(clock.unrefs).toBe(1);
  });

  it("waits longer than a turn of the wheel and than the platform can", () => {
    const { clock, timers } = wheel(1_000_000);
    const ran: string[] = [];
    timers.schedule(MAX_TIMER_MS * 3, () => void ran.push("long"));
    timers.schedule(Infinity, () => void ran.push("never"));
    clock.advance(MAX_TIMER_MS * 3 - 1);
    expect(ran).toEqual([]);
    clock.advance(1_000_001);
    expect(ran).toEqual(["long"]);
    expect(clock.longest).toBeLessThanOrEqual(MAX_TIMER_MS);
  });

  it("I4: runs what is due though the logger throws", () => {
    const clock = new HandClock();
    const fail = (): never => {
      throw new Error("log");
    };
    const timers = createTimerWheel(clock, { logger: { warn: fail, error: fail } });
    const ran: number[] = [];
    timers.schedule(5, fail);
    timers.schedule(5, () => void ran.push(1));
    timers.schedule(5_000, () => void ran.push(2));
    clock.advance(10_000);
    expect(ran).toEqual([1, 2]);
  });

  it("I6: runs callbacks outside the turn in which the timer was set", () => {
    const { clock, timers, logs } = wheel();
    const identity = { type: "t", id: "i" };
    const holder = { identity };
    let ran = 0;
    timers.schedule(5, () => {
      refuseReentry(holder);
      ran += 1;
    });
    new RunContext(1).run(holder, () => clock.advance(1_000));
    expect([ran, logs]).toEqual([1, []]);
  });

  it("agrees with a list of times, whatever is scheduled, cancelled and skipped", () => {
    const action = fc.oneof(
      fc.record({ kind: fc.constant("add" as const), n: fc.nat(20_000) }),
      fc.record({ kind: fc.constant("cancel" as const), n: fc.nat(50) }),
      fc.record({ kind: fc.constant("advance" as const), n: fc.nat(9_000) }),
    );
    fc.assert(
      fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
        const { clock, timers } = wheel();
        const entries: { due: number; handle: WheelHandle; ranAt: number; off: boolean }[] = [];
        for (const { kind, n } of actions) {
          if (kind === "advance") clock.advance(n);
          const chosen = entries[n % Math.max(entries.length, 1)];
          if (kind === "cancel" && chosen?.ranAt === -1) {
            timers.cancel(chosen.handle);
            chosen.off = true;
          }
          if (kind !== "add") continue;
          const entry = { due: clock.time + n, handle: { waiting: true }, ranAt: -1, off: false };
          entry.handle = timers.schedule(n, () => void (entry.ranAt = clock.time));
          entries.push(entry);
        }
        for (const { due, ranAt, off } of entries) {
          if (off) expect(ranAt).toBe(-1);
          else if (ranAt === -1) expect(due + 20).toBeGreaterThan(clock.time);
          else expect([ranAt >= due, ranAt <= due + 20]).toEqual([true, true]);
        }
        expect(timers.size).toBe(entries.filter(({ ranAt, off }) => ranAt === -1 && !off).length);
      }),
      { numRuns: propertyRuns },
    );
  });

  it("lets a callback schedule and cancel", () => {
    const { clock, timers } = wheel();
    const ran: string[] = [];
    timers.schedule(40, () => {
      ran.push("first");
      timers.cancel(doomed);
      timers.schedule(30_000, () => void ran.push("much later"));
      timers.schedule(0, () => void ran.push("again"));
    });
    const doomed = timers.schedule(40, () => void ran.push("doomed"));
    timers.schedule(100, () => void ran.push("bystander"));
    clock.advance(200);
    expect(ran).toEqual(["first", "again", "bystander"]);
    clock.advance(30_000);
    expect(ran.at(-1)).toBe("much later");
  });

  it("keeps what waits on time when a callback schedules something later", () => {
    const { clock, timers } = wheel();
    const ran: string[] = [];
    timers.schedule(40, () => void timers.schedule(4_000, () => void ran.push("later")));
    timers.schedule(100, () => void ran.push("bystander"));
    clock.advance(200);
    expect(ran).toEqual(["bystander"]);
  });

  it("runs what was slept through in order of its time", () => {
    const { clock, timers } = wheel();
    const ran: number[] = [];
    for (const delay of [9_000, 20, 5_200, 70]) timers.schedule(delay, () => void ran.push(delay));
    clock.time += 60_000;
    clock.fire();
    expect(ran).toEqual([20, 70, 5_200, 9_000]);
  });

  it("I8: runs what is due in one tick in order of its time", () => {
    const { clock, timers } = wheel(100);
    const ran: string[] = [];
    for (const delay of [90, 20, 20, 55, -1, -500, 0])
      timers.schedule(delay, () => void ran.push(`${delay}/${ran.length}`));
    clock.time += 60_000;
    clock.fire();
    expect(ran).toEqual(["-500/0", "-1/1", "0/2", "20/3", "20/4", "55/5", "90/6"]);
  });

  it("logs what fails and goes on", async () => {
    const { clock, timers, logs } = wheel();
    const ran: string[] = [];
    timers.schedule(10, () => {
      throw new Error("sync");
    });
    timers.schedule(10, () => Promise.reject(new Error("async")));
    timers.schedule(10, () => void ran.push("next"));
    timers.schedule(500, () => void ran.push("later"));
    clock.advance(1_000);
    await Promise.resolve();
    expect(ran).toEqual(["next", "later"]);
    expect(logs).toHaveLength(2);
  });

  it("is not held up by a clock that is set back", () => {
    const { clock, timers } = wheel();
    let ran = false;
    timers.schedule(1_000, () => void (ran = true));
    clock.advance(500);
    clock.setBack(3_600_000);
    clock.advance(499);
    expect(ran).toBe(false);
    clock.advance(1_600);
    expect(ran).toBe(true);
  });

  it.each([3_600_000, -3_600_000])("I5: goes by no time of day: set by %i ms", async (byMs) => {
    const clock = simulatedClock(10_000_000);
    const timers = createTimerWheel(clock, { tickMs: 10 });
    const ran: number[] = [];
    timers.schedule(1_000, () => void ran.push(clock.monotonic()));
    timers.schedule(60_000, () => void ran.push(clock.monotonic()));
    await clock.advance(500);
    clock.setTime(clock.now() + byMs);
    await clock.advance(600);
    expect(ran).toEqual([10_001_000]);
    timers.schedule(1_000, () => void ran.push(clock.monotonic()));
    await clock.advance(60_000);
    expect(ran).toEqual([10_001_000, 10_002_100, 10_060_000]);
  });

  it("I5: a timer that fired proves its time to a clock that stands still", () => {
    const { clock, timers } = wheel();
    let ran = 0;
    timers.schedule(1_000, () => void (ran += 1));
    clock.fireInPlace();
    expect(ran).toBe(1);
    timers.schedule(100, () => void (ran += 1));
    clock.advance(120);
    expect(ran).toBe(2);
  });

  it("forgets everything when stopped", () => {
    const { clock, timers } = wheel();
    let ran = false;
    const handle = timers.schedule(10, () => void (ran = true));
    timers.stop();
    expect([clock.waiting, timers.size, handle.waiting]).toEqual([false, 0, false]);
    timers.schedule(10, () => void (ran = true));
    timers.cancel(handle);
    clock.advance(1_000);
    expect([clock.waiting, ran]).toEqual([false, false]);
  });

  it("takes fifty thousand callbacks with few timers", () => {
    const { clock, timers } = wheel(100);
    let ran = 0;
    const handles = Array.from({ length: 50_000 }, (_, n) =>
      timers.schedule(60_000 + (n % 1_000), () => void ran++),
    );
    for (const handle of handles.slice(0, 25_000)) timers.cancel(handle);
    clock.advance(70_000);
    expect([ran, timers.size]).toEqual([25_000, 0]);
    expect(clock.armed).toBeLessThan(1_000);
  });

  it("refuses NaN by name", () => {
    expect(() => createTimerWheel(systemClock, { tickMs: Number.NaN })).toThrow(/tickMs/u);
    expect(() => createTimerWheel(systemClock).schedule(Number.NaN, () => {})).toThrow(/delayMs/u);
  });

  it("runs on the clock of the machine", async () => {
    const timers = createTimerWheel(systemClock, { tickMs: 1, unref: false });
    await new Promise<void>((resolve) => void timers.schedule(2, resolve));
    expect(timers.size).toBe(0);
  });
});
