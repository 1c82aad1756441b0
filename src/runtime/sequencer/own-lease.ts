/**
 * The lease of a run that executes in this process: it is renewed well before it ends (L1 of
 * `run.ts`). While the run is at rest, one lease lasts until after that time, and is not renewed.
 */
import { monotonic } from "../../../actors/time/clock.ts";
import type { WheelHandle } from "../../../actors/time/timer-wheel.ts";
import type { ScopeHost } from "../scope-host.ts";
import { leaseOf } from "./run-lease.ts";
import type { RunLog } from "./run-record.ts";

/** Renewals in the duration of a lease. */
const RENEWALS = 3;

/** What an own lease is made from. */
export interface OwnLeaseParts {
  readonly home: ScopeHost;
  readonly log: RunLog;
  /** Distinguishes the runtimes of one process. */
  readonly runtime: string;
  /** Since when the lease is owned, by the monotonic clock. */
  readonly leasedAt: number;
}

/** The lease of one executing run; see the head of this file. */
export class OwnLease {
  readonly #parts: OwnLeaseParts;
  readonly #leaseMs: number;
  /** When the stored lease was made, by the monotonic clock, and how long it lasts. */
  #leasedAt: number;
  #lastsMs: number;
  /** Until when the run is at rest. */
  #restUntil: number | null = null;
  #renew: (() => Promise<unknown>) | null = null;
  #renewal: WheelHandle | null = null;

  constructor(parts: OwnLeaseParts, leaseMs: number) {
    this.#parts = parts;
    this.#leaseMs = leaseMs;
    this.#leasedAt = parts.leasedAt;
    this.#lastsMs = leaseMs;
  }

  /** True when the lease of an executing run may be over, so another owner may have it. */
  get isOverdue(): boolean {
    if (this.#parts.log.record.lease === null) return false;
    return this.#now() - this.#leasedAt >= this.#lastsMs;
  }

  /** Calls `renew` until the lease ends. */
  begin(renew: () => Promise<unknown>): void {
    this.#renew = renew;
    this.#schedule();
  }

  /** Ends the renewals. A lease that ended in a write (L2 of `run.ts`) is not renewed either. */
  end(): void {
    this.#renew = null;
    this.#cancel();
  }

  /**
   * Nothing of the run is due before `until`; `null`: it is no longer at rest. Returns true
   * when a new lease is to be stored.
   */
  rest(until: number | null): boolean {
    const { home } = this.#parts;
    const isLong = until !== null && until - home.clock.now() >= this.#leaseMs / RENEWALS;
    if (this.#isOver || (!isLong && this.#restUntil === null)) return false;
    this.#restUntil = isLong ? until : null;
    if (isLong) this.#cancel();
    else this.#schedule();
    return true;
  }

  /** Stores a new lease. */
  async store(): Promise<void> {
    const { home, log, runtime } = this.#parts;
    const now = this.#now();
    const until = this.#restUntil;
    const lastsMs = this.#leaseMs + (until === null ? 0 : Math.max(0, until - home.clock.now()));
    log.write({ lease: leaseOf(home, runtime, lastsMs), wakeAt: until });
    await log.flush();
    this.#leasedAt = now;
    this.#lastsMs = lastsMs;
  }

  get #isOver(): boolean {
    return this.#renew === null || this.#parts.log.record.lease === null;
  }

  #schedule(): void {
    this.#cancel();
    this.#renewal = this.#parts.home.wheel.schedule(this.#leaseMs / RENEWALS, () => {
      if (this.#isOver) return undefined;
      this.#schedule();
      return this.#renew?.().then(() => undefined);
    });
  }

  #cancel(): void {
    if (this.#renewal !== null) this.#parts.home.wheel.cancel(this.#renewal);
    this.#renewal = null;
  }

  #now(): number {
    return monotonic(this.#parts.home.clock);
  }
}
