/** Periodic writes that show other processes that an owner is still running. */
import { hostClock } from "../../../actors/time/clock.ts";
import { createTimerWheel, type TimerWheel } from "../../../actors/time/timer-wheel.ts";

/** A running heartbeat. */
export interface Heartbeat {
  /** Ends the heartbeat; resolves when no beat runs any more. */
  stop(): Promise<void>;
}

let shared: TimerWheel | null = null;

/**
 * Calls `beat` every `everyMs` by the machine's clock, never before the last call has ended. The
 * timer keeps no process alive. A failed beat is tried again at the next interval.
 */
export function startHeartbeat(everyMs: number, beat: () => Promise<void>): Heartbeat {
  shared ??= createTimerWheel(hostClock);
  const wheel = shared;
  let running = Promise.resolve();
  let stopped = false;
  const again = (): void => {
    if (!stopped) handle = wheel.schedule(everyMs, run);
  };
  const run = (): void => {
    running = beat().then(again, again);
  };
  let handle = wheel.schedule(everyMs, run);
  return {
    stop() {
      stopped = true;
      wheel.cancel(handle);
      return running;
    },
  };
}
