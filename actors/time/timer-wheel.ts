/**
 * One timer for all long waits: idle callbacks, expiry, passivation. Tens of thousands of scopes
 * wait to become idle; a platform timer for each would cost more than their state.
 *
 * Owns: the waiting callbacks and the one platform timer behind them.
 *
 *  I1  A callback runs at most once, never before its delay is over, and never after its cancel.
 *  I2  The platform timer is set only while something waits, and for the next slot in use.
 *  I3  Scheduling and cancelling cost the same however much is waiting.
 *  I4  A callback that throws or rejects is logged; the others run, also when the logger throws.
 *  I5  The wheel's own time is monotonic. When a clock without a monotonic time is set back, a
 *      callback is late by no more than the time since the wheel last read the clock, at most one
 *      rotation. When a timer has fired, its time has come, whatever the clock reads.
 *  I6  A callback runs outside every mutator's run: it may use every scope.
 *  I7  A timer that was set before fake timers came or went is set anew at the next `schedule`.
 *  I8  Callbacks of one sweep run in the order of their times; those of one time in the order of
 *      the calls.
 */
import { durationOption, keepAlive, MAX_TIMER_MS, monotonic, timerSource } from "./clock.ts";
import type { Clock, Logger } from "../protocol.ts";
import { outsideTurns } from "../scope/reentrancy.ts";
import { quietLogger, safeCall } from "../scope/safe-call.ts";

/** Slots of the wheel; a delay longer than a rotation waits in its slot for a later one. */
const SLOT_COUNT = 512;

/** Options of a wheel. */
export interface TimerWheelOptions {
  /** Width of a slot and so the most a callback is late, in milliseconds; default 100. */
  readonly tickMs?: number;
  /** Whether waiting callbacks let the process end; default true. */
  readonly unref?: boolean;
  /** Receives the errors of callbacks; default the console. */
  readonly logger?: Logger;
}

/** A callback that waits. */
export interface WheelHandle {
  /** True until the callback runs or is cancelled. */
  readonly waiting: boolean;
}

/** Runs many callbacks later on one timer of the clock. */
export interface TimerWheel {
  /** How many callbacks wait. */
  readonly size: number;
  /**
   * Runs `callback` once, `delayMs` from now or up to a tick later; never in this call. A negative
   * delay is a past time; earlier times run first. With `Infinity`, and after `stop`, a callback
   * never runs. NaN throws a `RangeError`.
   */
  schedule(delayMs: number, callback: () => void | Promise<void>): WheelHandle;
  /** Removes a callback that waits; otherwise does nothing. */
  cancel(handle: WheelHandle): void;
  /** Removes all callbacks and the timer, permanently. */
  stop(): void;
}

/** Makes a wheel on `clock`. */
export function createTimerWheel(clock: Clock, options: TimerWheelOptions = {}): TimerWheel {
  return new HashedWheel(clock, options);
}

class WheelEntry implements WheelHandle {
  /** In the wheel's time, milliseconds. */
  readonly due: number;
  readonly dueTick: number;
  readonly callback: () => void | Promise<void>;
  waiting = true;

  constructor(due: number, dueTick: number, callback: () => void | Promise<void>) {
    this.due = due;
    this.dueTick = dueTick;
    this.callback = callback;
  }
}

class HashedWheel implements TimerWheel {
  readonly #clock: Clock;
  readonly #tickMs: number;
  readonly #unref: boolean;
  readonly #logger: Logger;
  /** Each is made when it is first used. */
  readonly #slots: (Set<WheelEntry> | undefined)[] = [];
  /** The last tick whose due callbacks were removed from their slot. */
  #tick: number;
  #timer: unknown;
  #timerTick = Infinity;
  #size = 0;
  #stopped = false;
  #lastNow: number;
  /** What made the timer (I7). */
  #armedBy: unknown;
  /** When the timer fires, by the wheel's time. */
  #timerDue = 0;
  /** The time by which the clock was set back, in sum. */
  #lostMs = 0;

  constructor(clock: Clock, options: TimerWheelOptions) {
    this.#clock = clock;
    this.#tickMs = Math.max(durationOption("tickMs", options.tickMs, 100), 1);
    this.#unref = options.unref ?? true;
    this.#logger = quietLogger(options.logger ?? console);
    this.#lastNow = monotonic(clock);
    this.#tick = Math.floor(this.#lastNow / this.#tickMs);
  }

  get size(): number {
    return this.#size;
  }

  schedule(delayMs: number, callback: () => void | Promise<void>): WheelHandle {
    const due = this.#now() + durationOption("delayMs", delayMs, 0);
    const dueTick = Math.max(Math.ceil(due / this.#tickMs), this.#tick + 1);
    const entry = new WheelEntry(due, dueTick, callback);
    if (this.#stopped || !Number.isSafeInteger(dueTick)) return entry;
    (this.#slots[slotOf(dueTick)] ??= new Set()).add(entry);
    this.#size++;
    const isOthers = this.#timer !== undefined && this.#armedBy !== timerSource(this.#clock);
    if (isOthers) this.#armAnew();
    else if (dueTick < this.#timerTick) this.#arm(dueTick);
    return entry;
  }

  cancel(handle: WheelHandle): void {
    // Sound: `schedule` is the only maker of handles; another wheel's is not in the slot.
    const entry = handle as WheelEntry;
    entry.waiting = false;
    if (this.#slots[slotOf(entry.dueTick)]?.delete(entry) !== true) return;
    this.#size--;
    if (this.#size === 0) this.#disarm();
  }

  stop(): void {
    this.#stopped = true;
    for (const slot of this.#slots) for (const entry of slot ?? []) entry.waiting = false;
    this.#slots.length = 0;
    this.#size = 0;
    this.#disarm();
  }

  /** The clock's time plus the time by which it was set back. */
  #now(): number {
    const now = monotonic(this.#clock);
    if (now < this.#lastNow) this.#lostMs += this.#lastNow - now;
    this.#lastNow = now;
    return now + this.#lostMs;
  }

  #arm(tick: number): void {
    this.#disarm();
    this.#timerTick = tick;
    const now = this.#now();
    const delay = Math.ceil(Math.min(Math.max(tick * this.#tickMs - now, 1), MAX_TIMER_MS));
    this.#timerDue = now + delay;
    // Outside the run that set the timer (I6).
    const sweep = (): void => {
      if (this.#timer === timer) outsideTurns(() => this.#sweep());
    };
    this.#armedBy = timerSource(this.#clock);
    const timer = this.#clock.setTimeout(sweep, delay);
    this.#timer = timer;
    if (this.#unref) keepAlive(timer, false);
  }

  /** The old timer is not cleared: other code made it, and its callback does nothing. */
  #armAnew(): void {
    this.#disarm();
    this.#arm(this.#nextTick());
  }

  #disarm(): void {
    if (this.#timerTick === Infinity) return;
    if (this.#armedBy === timerSource(this.#clock)) this.#clock.clearTimeout(this.#timer);
    else keepAlive(this.#timer, false);
    this.#timerTick = Infinity;
    this.#timer = undefined;
  }

  #sweep(): void {
    this.#timerTick = Infinity;
    this.#timer = undefined;
    const behindMs = this.#timerDue - this.#now();
    if (behindMs > this.#tickMs) this.#lostMs += behindMs; // Less is the tolerance of a timer.
    for (const entry of this.#takeDue()) if (entry.waiting) this.#run(entry);
    if (this.#size === 0) return;
    const next = this.#nextTick();
    if (next < this.#timerTick) this.#arm(next);
  }

  /** The due callbacks, earliest first; each can be cancelled until it runs. */
  #takeDue(): WheelEntry[] {
    const reached = Math.floor(this.#now() / this.#tickMs);
    const last = Math.min(reached, this.#tick + SLOT_COUNT);
    const due: WheelEntry[] = [];
    for (let tick = this.#tick + 1; tick <= last; tick++) {
      for (const entry of this.#slots[slotOf(tick)] ?? [])
        if (entry.dueTick <= reached) due.push(entry);
    }
    this.#tick = Math.max(this.#tick, reached);
    return due.toSorted((a, b) => a.due - b.due);
  }

  #run(entry: WheelEntry): void {
    entry.waiting = false;
    this.#slots[slotOf(entry.dueTick)]?.delete(entry);
    this.#size--;
    safeCall(
      () => entry.callback(),
      (error) => this.#report(error),
    );
  }

  #report(error: unknown): void {
    this.#logger.error("a delayed callback failed", { error });
  }

  /** The next tick whose slot is in use, also for a later rotation. */
  #nextTick(): number {
    const first = this.#tick + 1;
    for (let tick = first; tick < first + SLOT_COUNT; tick++) {
      if ((this.#slots[slotOf(tick)]?.size ?? 0) > 0) return tick;
    }
    return first;
  }
}

function slotOf(tick: number): number {
  return tick % SLOT_COUNT;
}
