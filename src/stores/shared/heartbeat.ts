/** Signs of life that a holder gives at intervals, so that others can tell when there are none. */
import { hostClock } from "../../../actors/time/clock.ts";
import { createTimerWheel, type TimerWheel } from "../../../actors/time/timer-wheel.ts";

/** Signs of life that are being given. */
export interface Heartbeat {
  /** Ends it; resolves when no beat runs any more. */
  stop(): Promise<void>;
}

let shared: TimerWheel | null = null;

/**
 * Calls `beat` every `everyMs` by the clock of the machine, not before the last call has ended. It
 * keeps no process alive. A beat that fails is tried again at the next interval.
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
