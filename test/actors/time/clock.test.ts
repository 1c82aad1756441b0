import { describe, expect, it, onTestFinished, vi } from "vitest";
import {
  durationOption,
  MAX_TIMER_MS,
  monotonic,
  systemClock,
} from "../../../actors/time/clock.ts";

describe("systemClock", () => {
  it("calls back after the delay and not after a clear", async () => {
    const calls: string[] = [];
    systemClock.clearTimeout(systemClock.setTimeout(() => calls.push("cleared"), 0));
    const before = systemClock.now();
    await new Promise<void>((resolve) => {
      systemClock.setTimeout(() => {
        calls.push("kept");
        resolve();
      }, 2);
    });
    expect(calls).toEqual(["kept"]);
    expect(systemClock.now()).toBeGreaterThanOrEqual(before);
  });

  it("does not fire at once for a delay beyond the platform's range", async () => {
    let fired = false;
    const handle = systemClock.setTimeout(() => (fired = true), MAX_TIMER_MS * 4);
    await new Promise((resolve) => systemClock.setTimeout(() => resolve(undefined), 10));
    systemClock.clearTimeout(handle);
    expect(fired).toBe(false);
  });
});

describe("monotonic", () => {
  it("is the clock's own, and `now` where it has none", () => {
    const bare = { now: () => 5, setTimeout: () => undefined, clearTimeout: () => undefined };
    expect(monotonic(bare)).toBe(5);
    expect(monotonic({ ...bare, monotonic: () => 9 })).toBe(9);
  });

  it("is a whole number on the machine's clock, and no time of day", () => {
    expect(Number.isInteger(monotonic(systemClock))).toBe(true);
    expect(monotonic(systemClock)).toBeLessThan(systemClock.now());
  });

  it("follows fake timers that were made after this module was loaded", () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const before = monotonic(systemClock);
    vi.advanceTimersByTime(1_000);
    expect(monotonic(systemClock)).toBe(before + 1_000);
  });
});

describe("durationOption", () => {
  it("gives the value or the fallback", () => {
    expect(durationOption("idleMs", 5, 9)).toBe(5);
    expect(durationOption("idleMs", undefined, 9)).toBe(9);
    expect(durationOption("idleMs", Infinity, 9)).toBe(Infinity);
    expect(durationOption("idleMs", -1, 9)).toBe(-1);
  });

  it("refuses NaN and what is no number, by name", () => {
    expect(() => durationOption("idleMs", Number.NaN, 9)).toThrow(RangeError);
    expect(() => durationOption("idleMs", Number.NaN, 9)).toThrow(/idleMs/u);
    // @ts-expect-error -- callers without types pass text
    expect(() => durationOption("idleMs", "5", 9)).toThrow(/idleMs.*string/u);
  });
});
