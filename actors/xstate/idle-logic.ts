/**
 * An idle timer as XState actor logic: notifies its parent after a time without activity.
 *
 * Send it `{ type: "touch" }` on every activity. After `idleMs` without one it sends `{ type:
 * "idle" }` to its parent, once; the next touch starts it again. All idle actors of a program can
 * share one wheel, so that tens of thousands of them cost one platform timer.
 */
import { fromCallback, type CallbackActorLogic } from "xstate";
import { durationOption, systemClock } from "../time/clock.ts";
import { createTimerWheel, type TimerWheel, type WheelHandle } from "../time/timer-wheel.ts";

/** Input of the idle logic. */
export interface IdleLogicInput {
  /** Milliseconds; must be more than 0. */
  readonly idleMs: number;
  /** Default: one shared wheel on the system clock. */
  readonly wheel?: TimerWheel;
}

/** Reports activity. */
export interface TouchEvent {
  readonly type: "touch";
}

let shared: TimerWheel | null = null;

function sharedWheel(): TimerWheel {
  shared ??= createTimerWheel(systemClock);
  return shared;
}

/** Actor logic of one idle timer; starts counting at once. */
export const idleLogic: CallbackActorLogic<TouchEvent, IdleLogicInput> = fromCallback(
  ({ input, receive, sendBack }) => {
    const idleMs = durationOption("idleMs", input.idleMs, Number.NaN);
    if (!(idleMs > 0)) throw new RangeError(`idleMs must be more than 0, received ${idleMs}`);
    const wheel = input.wheel ?? sharedWheel();
    const start = (): WheelHandle => wheel.schedule(idleMs, () => sendBack({ type: "idle" }));
    let waiting = start();
    receive(() => {
      wheel.cancel(waiting);
      waiting = start();
    });
    return () => wheel.cancel(waiting);
  },
);
