/** Real time, which a test may fake, and the check every option measured in time goes through. */
import { performance as hostPerformance } from "node:perf_hooks";
import { clearTimeout as clearHostTimeout, setTimeout as setHostTimeout } from "node:timers";
import type { Clock } from "../protocol.ts";

/** The longest delay, in milliseconds, that a timer of the platform can wait: about 24.8 days. */
export const MAX_TIMER_MS: number = 2 ** 31 - 1;

/** The source of `systemClock`, and the offset that keeps its time from jumping. */
let source: Pick<typeof hostPerformance, "now"> = performance;
let offsetMs = 0;
let lastMs = 0;

/** Continues from the last value when fake timers, whose time begins at 0, come or go. */
function continuous(): number {
  if (source !== performance) {
    source = performance;
    offsetMs = lastMs - source.now();
  }
  lastMs = Math.floor(source.now() + offsetMs);
  return lastMs;
}

/**
 * The clock of the machine. A delay above `MAX_TIMER_MS` waits `MAX_TIMER_MS`. Every method reads
 * its global when it is called, so that fake timers of a test apply.
 */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: continuous,
  setTimeout: (callback, delayMs) => setTimeout(callback, Math.min(delayMs, MAX_TIMER_MS)),
  clearTimeout: (handle) => {
    // Sound: the platform ignores what is not one of its timers.
    clearTimeout(handle as NodeJS.Timeout);
  },
};

/**
 * The time of the machine itself, without fake timers: for waits and work of this process that
 * depend on other processes.
 */
export const hostClock: Clock = {
  now: () => Date.now(),
  monotonic: () => Math.floor(hostPerformance.now()),
  setTimeout: (callback, delayMs) => setHostTimeout(callback, Math.min(delayMs, MAX_TIMER_MS)),
  clearTimeout: (handle) => {
    // Sound: the platform ignores what is not one of its timers.
    clearHostTimeout(handle as NodeJS.Timeout);
  },
};

/**
 * The clock for a wait between attempts: another owner of a store does not wait while a test stops
 * the time, so fake timers do not reach it. A clock that was given is used as it is.
 */
export function retryClock(clock: Clock): Clock {
  return clock === systemClock ? hostClock : clock;
}

/**
 * The function that makes a clock's timers. A timer of another source is not reliable: removed fake
 * timers never fire, and real timers do not follow faked time.
 */
export function timerSource(clock: Clock): unknown {
  return clock === systemClock ? globalThis.setTimeout : clock;
}

/** Sets whether a timer of the platform keeps the process alive; ignores those of other clocks. */
export function keepAlive(timer: unknown, isAlive: boolean): void {
  if (typeof timer !== "object" || timer === null) return;
  const change: unknown = isAlive ? "ref" in timer && timer.ref : "unref" in timer && timer.unref;
  if (typeof change === "function") change.call(timer);
}

/** The time for time limits, in milliseconds: `clock.monotonic`, or `now` without it. */
export function monotonic(clock: Clock): number {
  return clock.monotonic === undefined ? clock.now() : clock.monotonic();
}

/**
 * Returns `value`, or `fallback` when it is absent. A `RangeError` names the option when
 * it is NaN or no number; whether zero, negative or infinite values mean "off" is up to the caller.
 */
export function durationOption(name: string, value: number | undefined, fallback: number): number {
  if (value === undefined) return fallback;
  if (typeof value === "number" && !Number.isNaN(value)) return value;
  throw new RangeError(
    `${name} must be a number, received ${typeof value === "number" ? "NaN" : typeof value}`,
  );
}

/** A time limit in milliseconds, `Infinity` when off; RangeError on NaN names the option. */
export function timeoutOption(
  value: number | undefined,
  fallback: number,
  name = "mutationTimeoutMs",
): number {
  const timeoutMs = durationOption(name, value, fallback);
  return timeoutMs > 0 ? timeoutMs : Infinity;
}
