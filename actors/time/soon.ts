/**
 * Work for a little later: after the code that runs, or in the next turn of the event loop.
 *
 *  N1  Fake timers of a test do not reach it. What is put off here is a matter of order, not of
 *      time, and a call that waits for it is answered also while a test stops the time.
 */
// The module's own, not the global one, which a test may have replaced before it imports this.
import { setImmediate as inNextTurn } from "node:timers";

/** Runs `work` in the next turn of the event loop. */
export function nextTurn(work: () => void): void {
  inNextTurn(work);
}

const settled = Promise.resolve();

/** Runs `work`, which throws nothing, when the code that runs now has returned. */
export function afterThis(work: () => void): void {
  void settled.then(work);
}
