/**
 * Deadlines of waiting and running mutations: one timer per clock, not one per mutation (a timer
 * each costs more than the mutation).
 *
 * A busy scope registers itself with its earliest deadline. When the timer fires, every registered
 * scope whose deadline has passed checks its own calls and returns its next deadline.
 *
 * Invariants
 *  D1  A registered scope is called at or after its deadline, never before. Time is monotonic:
 *      setting a wall clock neither shortens nor extends a deadline. When a timer has fired, its
 *      time has come, whatever the clock reads.
 *  D2  While a scope with a deadline is registered the timer keeps the process alive, so a
 *      hung mutator's call is settled; otherwise it does not.
 *  D3  A timer that was set before fake timers were installed or removed is set anew at the next
 *      `watch`.
 */
import { ScopeMutationTimeoutError } from "../errors.ts";
import { keepAlive, MAX_TIMER_MS, monotonic, timeoutOption, timerSource } from "../time/clock.ts";
import type { Call } from "./mailbox.ts";
import type { Clock, MutationOptions, ScopeIdentity } from "../protocol.ts";
import { outsideTurns } from "./reentrancy.ts";

/** An object with calls that can time out. */
export interface Expirable {
  /** Expires calls due at `now`, of `monotonic`; returns the next deadline, or `Infinity`. */
  expire(now: number): number;
}

/** The shortest time between two sweeps, so that many close deadlines need one sweep. */
const SWEEP_MIN_MS = 1;

/** The sweep of one clock. */
export class DeadlineSweep {
  readonly #clock: Clock;
  readonly #due = new Map<Expirable, number>();
  #timer: unknown = null;
  #timerAt = Infinity;
  /** What made the timer (D3). */
  #armedBy: unknown = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Registers `subject`, or moves its deadline forward. */
  watch(subject: Expirable, deadline: number): void {
    if (deadline === Infinity) return;
    if (this.#timer !== null && this.#armedBy !== timerSource(this.#clock)) this.#armAnew();
    const known = this.#due.get(subject);
    if (known !== undefined && known <= deadline) return;
    if (this.#due.size === 0) keepAlive(this.#timer, true);
    this.#due.set(subject, deadline);
    if (deadline < this.#timerAt) this.#arm(deadline);
  }

  /** Removes `subject`. The timer stays: clearing and setting one per call is expensive. */
  unwatch(subject: Expirable): void {
    if (this.#due.delete(subject) && this.#due.size === 0) keepAlive(this.#timer, false);
  }

  /** The old timer is not cleared: other code made it, and `#sweep` ignores it. */
  #armAnew(): void {
    keepAlive(this.#timer, false);
    this.#timer = null;
    this.#timerAt = Infinity;
    this.#armEarliest();
  }

  #armEarliest(): void {
    let earliest = Infinity;
    for (const deadline of this.#due.values()) earliest = Math.min(earliest, deadline);
    if (earliest < this.#timerAt) this.#arm(earliest);
  }

  #arm(deadline: number): void {
    if (this.#timer !== null) this.#clock.clearTimeout(this.#timer);
    const now = monotonic(this.#clock);
    const wait = Math.min(Math.max(SWEEP_MIN_MS, deadline - now), MAX_TIMER_MS);
    this.#timerAt = deadline;
    // Outside the run that set the timer: a timeout callback may use every scope.
    const sweep = (): void => {
      if (this.#timer === timer) outsideTurns(() => this.#sweep(now + wait));
    };
    this.#armedBy = timerSource(this.#clock);
    const timer = this.#clock.setTimeout(sweep, wait);
    this.#timer = timer;
  }

  #sweep(reached: number): void {
    this.#timer = null;
    this.#timerAt = Infinity;
    const now = Math.max(monotonic(this.#clock), reached);
    for (const [subject, deadline] of this.#due) {
      if (deadline > now) continue;
      this.#due.set(subject, Infinity); // So that an earlier deadline set meanwhile counts.
      const next = subject.expire(now);
      const meanwhile = this.#due.get(subject);
      if (meanwhile !== undefined) this.#renew(subject, Math.min(next, meanwhile));
    }
    this.#armEarliest();
  }

  #renew(subject: Expirable, deadline: number): void {
    if (deadline === Infinity) this.#due.delete(subject);
    else this.#due.set(subject, deadline);
  }
}

/** The time limit of the calls of a scope. */
interface Limited {
  readonly mutationTimeoutMs: number;
}

/** The time limit of a call in milliseconds; `Infinity` = none. */
export function timeLimitOf(
  options: Pick<MutationOptions, "timeoutMs"> | undefined,
  { mutationTimeoutMs }: Limited,
): number {
  if (options?.timeoutMs === undefined) return mutationTimeoutMs;
  return timeoutOption(options.timeoutMs, mutationTimeoutMs, "timeoutMs");
}

/** The error of a call whose time is over. */
export function overtime(
  { options, stage }: Call,
  scope: { readonly identity: ScopeIdentity; readonly settings: Limited },
): ScopeMutationTimeoutError {
  const timeoutMs = timeLimitOf(options, scope.settings);
  const phase = stage === "queued" || stage === "reloading" ? "queued" : "running";
  return new ScopeMutationTimeoutError({ timeoutMs, phase }, { scope: scope.identity });
}

const sweeps = new WeakMap<Clock, DeadlineSweep>();

/** The sweep of a clock; one per clock. */
export function sweepOf(clock: Clock): DeadlineSweep {
  let sweep = sweeps.get(clock);
  if (sweep === undefined) {
    sweep = new DeadlineSweep(clock);
    sweeps.set(clock, sweep);
  }
  return sweep;
}
