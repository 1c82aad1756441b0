/**
 * A timer for a time of the clock, however far away.
 */
import { MAX_TIMER_MS } from "../../../actors/time/clock.ts";
import type { Clock } from "../../../actors/protocol.ts";

/**
 * Calls `callback` once when `clock` reads `at` or later, in milliseconds since the epoch; never in
 * this call. The returned function cancels that. The process stays alive for it.
 */
export function alarm(clock: Clock, at: number, callback: () => void): () => void {
  let timer: unknown;
  const wait = (): void => {
    const leftMs = at - clock.now();
    const ring = (): void => (clock.now() < at ? wait() : callback());
    timer = clock.setTimeout(ring, Math.min(Math.max(leftMs, 0), MAX_TIMER_MS));
  };
  wait();
  return () => clock.clearTimeout(timer);
}
