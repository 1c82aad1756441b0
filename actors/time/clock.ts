/** Real time, which a test may fake, and the check every option measured in time goes through. */
import { performance as hostPerformance } from "node:perf_hooks";
import { clearTimeout as clearHostTimeout, setTimeout as setHostTimeout } from "node:timers";
import type { Clock } from "../protocol.ts";

/** The longest delay, in milliseconds, that a timer of the platform can wait: about 24.8 days. */
export const MAX_TIMER_MS: number = 2 ** 31 - 1;

/** What `systemClock` reads, and what has to be added to it so that its time never jumps. */
let source: Pick<typeof hostPerformance, "now"> = performance;
let offsetMs = 0;
let lastMs = 0;

/** Goes on from the last answer when fake timers come or go, whose time begins at 0. */
function continuous(): number {
  if (source !== performance) {
    source = performance;
    offsetMs = lastMs - source.now();
  }
  lastMs = source.now() + offsetMs;
  return Math.floor(lastMs);
}

/**
 * The clock of the machine. A delay above `MAX_TIMER_MS` waits `MAX_TIMER_MS`. Every method looks
 * its global up when it is called, so that fake timers of a test reach it.
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
 * The time of the machine itself, which no fake timers reach: for what this process has to do or to
 * wait for because of other processes.
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
 * What a clock's timers are made by. A timer that something else made is not to be counted on: fake
 * timers that are gone fire no more, and real ones do not wait for time that is faked.
 */
export function timerSource(clock: Clock): unknown {
  return clock === systemClock ? globalThis.setTimeout : clock;
}

/** The time limits are measured by, in milliseconds: `clock.monotonic`, or `now` without it. */
export function monotonic(clock: Clock): number {
  return clock.monotonic === undefined ? clock.now() : clock.monotonic();
}

/**
 * Gives `value`, or `fallback` when it is absent. Throws a `RangeError` that names the option when
 * it is NaN or no number; whether zero, negative or infinite values mean "off" is up to the caller.
 */
export function durationOption(name: string, value: number | undefined, fallback: number): number {
  if (value === undefined) return fallback;
  if (typeof value === "number" && !Number.isNaN(value)) return value;
  throw new RangeError(
    `${name} must be a number, received ${typeof value === "number" ? "NaN" : typeof value}`,
  );
}
