/**
 * Defers work: until the running code has returned, or to the next tick of the event loop.
 *
 *  N1  Fake timers of a test do not affect it. The deferral is a matter of order, not of time: a
 *      call that waits for it is settled also while a test stops the time.
 */
// From the module: a test may have replaced the global one before this import.
import { setImmediate as inNextTurn } from "node:timers";

/** Runs `work` in the next tick of the event loop. */
export const nextTurn: (work: () => void) => void = inNextTurn;

const settled = Promise.resolve();

/** Runs `work`, which must not throw, when the running code has returned. */
export function afterThis(work: () => void): void {
  void settled.then(work);
}
