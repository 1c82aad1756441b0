/** A clock whose time a test controls. */
import { nextTurn } from "../../actors/time/soon.ts";
import type { Clock } from "../../actors/protocol.ts";

/** A `Clock` under the control of a test. */
export interface SimulatedClock extends Clock {
  /** The time that has passed by `advance` since `startMs`; equal to `now()` until `setTime`. */
  monotonic(): number;
  /**
   * Sets the time of day, forward or back, as an operator or a time server does: `now()` continues
   * from `ms`. No time passes, so no timer fires and `monotonic()` does not change.
   */
  setTime(ms: number): void;
  /**
   * Advances time by `ms` and runs the timers that are due, in the order of their times (ties: of
   * their creation). Each runs at its own time, and the work it starts runs as far as it can
   * without another wait.
   */
  advance(ms: number): Promise<void>;
  /** The number of timers that are set. */
  readonly pending: number;
}

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly callback: () => void;
}

/** Lets every promise that can settle by itself settle. */
function settle(): Promise<void> {
  // A macrotask runs only after all microtasks, however many each of them adds.
  return new Promise((resolve) => {
    nextTurn(resolve);
  });
}

function firstDue(timers: Iterable<Timer>, until: number): Timer | undefined {
  let first: Timer | undefined;
  for (const timer of timers) {
    if (timer.at > until) continue;
    const isEarlier = first === undefined || timer.at < first.at;
    if (isEarlier || (timer.at === first?.at && timer.order < first.order)) first = timer;
  }
  return first;
}

/** Makes a clock at `startMs`; default 0, the start of 1970. */
export function simulatedClock(startMs = 0): SimulatedClock {
  const timers = new Set<Timer>();
  let passed = startMs;
  let offset = 0;
  let made = 0;
  return {
    now: () => passed + offset,
    monotonic: () => passed,
    setTime(ms) {
      if (!Number.isFinite(ms)) throw new RangeError(`a time is a number, received ${ms}`);
      offset = ms - passed;
    },
    setTimeout(callback, delayMs) {
      made += 1;
      const timer: Timer = { at: passed + Math.max(0, delayMs), order: made, callback };
      timers.add(timer);
      return timer;
    },
    clearTimeout(handle) {
      // Only this clock makes its timers; any other value is not in the set.
      timers.delete(handle as Timer);
    },
    async advance(ms) {
      if (!(ms >= 0)) throw new RangeError(`time moves forward only, received ${ms} ms`);
      const until = passed + ms;
      await settle();
      for (let timer = firstDue(timers, until); timer; timer = firstDue(timers, until)) {
        timers.delete(timer);
        passed = timer.at;
        timer.callback();
        await settle();
      }
      passed = until;
      await settle();
    },
    get pending() {
      return timers.size;
    },
  };
}
