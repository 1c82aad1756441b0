/** Real time, and the check every option measured in time goes through. */
import type { Clock } from "./protocol.ts";

/** The longest delay, in milliseconds, that a timer of the platform can wait: about 24.8 days. */
export const MAX_TIMER_MS: number = 2 ** 31 - 1;

/**
 * The clock of the machine. A delay above `MAX_TIMER_MS` waits `MAX_TIMER_MS`. Every method looks
 * its global up when it is called, so that fake timers of a test reach it.
 */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => Math.floor(performance.now()),
  setTimeout: (callback, delayMs) => setTimeout(callback, Math.min(delayMs, MAX_TIMER_MS)),
  clearTimeout: (handle) => {
    // Sound: the platform ignores what is not one of its timers.
    clearTimeout(handle as NodeJS.Timeout);
  },
};

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
