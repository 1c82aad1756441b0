/**
 * Exclusive sections. Inside one store object, one section per key runs at a time, in order of
 * arrival. Between store objects, a lease that each one polls for excludes the others.
 *
 * Invariants
 *  E1  A section has its key from `start` to the end of its lease; each renewal moves that end.
 *  E2  A lease that has ended is never renewed, also when no other owner has acquired the key.
 *  E3  A wait ends by its time limit, its signal or its turn, and an ended wait is never granted.
 */
import { onAbort } from "../../../actors/scope/abort.ts";
import { MAX_TIMER_MS, monotonic } from "../../../actors/time/clock.ts";
import { StoreUnavailableError } from "../../../actors/errors.ts";
import type { Clock, ExclusiveLease, ExclusiveWait } from "../../../actors/protocol.ts";

/** What runs while its key is kept. */
export type Section<T> = (lease: ExclusiveLease) => Promise<T>;

/** The exclusive sections of one store object. */
export interface Turns {
  /** Runs `section` when `key` is free; rejects when that takes longer than the wait allows. */
  run<T>(key: string, ttlMs: number, section: Section<T>, wait?: ExclusiveWait): Promise<T>;
  /** True while a section of `key` runs past its lease: its commits are conflicts. */
  isStale(key: string): boolean;
}

/** The most sections that wait for one key. */
const WAITING_MAX = 10_000;

interface Waiter {
  readonly start: () => void;
}

interface KeySlot {
  /** When the running section loses the key, by `monotonic`. */
  until: number;
  /** A new symbol per owner, so that a late owner cannot free the key of the next one. */
  owner: symbol | undefined;
  timer: unknown;
  readonly waiting: Waiter[];
}

/** The error of a section whose key did not become free. */
function leaseTaken(key: string, waitMs: number): StoreUnavailableError {
  return new StoreUnavailableError(
    `another owner kept the exclusive lease of ${JSON.stringify(key)} for ${waitMs} ms; try again`,
  );
}

/** Refuses a `ttlMs` that no timer supports. */
export function checkTtl(ttlMs: number): void {
  if (!(ttlMs > 0) || !Number.isFinite(ttlMs))
    throw new RangeError(`ttlMs must be a positive number of milliseconds, received ${ttlMs}`);
}

class KeyedSections implements Turns {
  readonly #clock: Clock;
  readonly #slots = new Map<string, KeySlot>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async run<T>(
    key: string,
    ttlMs: number,
    section: Section<T>,
    wait: ExclusiveWait = {},
  ): Promise<T> {
    checkTtl(ttlMs);
    wait.signal?.throwIfAborted();
    const owner = await this.#take(key, ttlMs, wait);
    try {
      return await section({ ttlMs, renew: async () => this.#renew(key, owner, ttlMs) });
    } finally {
      const slot = this.#slots.get(key);
      if (slot?.owner === owner) this.#free(key, slot);
    }
  }

  isStale(key: string): boolean {
    const slot = this.#slots.get(key);
    return slot !== undefined && monotonic(this.#clock) >= slot.until;
  }

  #take(key: string, ttlMs: number, wait: ExclusiveWait): symbol | Promise<symbol> {
    const slot = this.#slots.get(key);
    if (slot === undefined) {
      const fresh: KeySlot = { until: 0, owner: undefined, timer: undefined, waiting: [] };
      this.#slots.set(key, fresh);
      return this.#occupy(key, fresh, ttlMs);
    }
    if (monotonic(this.#clock) < slot.until || slot.waiting.length > 0)
      return this.#wait(key, slot, { ttlMs, ...wait });
    return this.#occupy(key, slot, ttlMs);
  }

  #occupy(key: string, slot: KeySlot, ttlMs: number): symbol {
    slot.owner = Symbol("section");
    this.#extend(key, slot, ttlMs);
    return slot.owner;
  }

  /** The present owner of the slot keeps it for `ttlMs` from now. */
  #extend(key: string, slot: KeySlot, ttlMs: number): void {
    const { owner } = slot;
    this.#clock.clearTimeout(slot.timer);
    slot.until = monotonic(this.#clock) + ttlMs;
    slot.timer = this.#clock.setTimeout(() => {
      if (slot.owner !== owner) return;
      slot.until = -Infinity; // Also when the clock was set back meanwhile.
      // Without a waiter the late owner stays listed, so that its commits are seen as stale.
      if (slot.waiting.length > 0) this.#free(key, slot);
    }, ttlMs);
  }

  #renew(key: string, owner: symbol, ttlMs: number): boolean {
    const slot = this.#slots.get(key);
    if (slot?.owner !== owner || this.isStale(key)) return false; // E2
    this.#extend(key, slot, ttlMs);
    return true;
  }

  #wait(
    key: string,
    slot: KeySlot,
    { ttlMs, waitMs = ttlMs, signal }: ExclusiveWait & { readonly ttlMs: number },
  ): Promise<symbol> {
    if (slot.waiting.length >= WAITING_MAX) return Promise.reject(leaseTaken(key, 0));
    return new Promise((resolve, reject) => {
      const giveUp = (reason: unknown): void => {
        const index = slot.waiting.indexOf(waiter);
        if (index !== -1) slot.waiting.splice(index, 1);
        stop();
        reject(reason);
      };
      const limited = waitMs <= MAX_TIMER_MS;
      const timer =
        limited && this.#clock.setTimeout(() => giveUp(leaseTaken(key, waitMs)), waitMs);
      const unwatch = signal && onAbort(signal, () => giveUp(signal.reason));
      const stop = (): void => {
        if (limited) this.#clock.clearTimeout(timer);
        unwatch?.();
      };
      const waiter: Waiter = {
        start: () => {
          stop();
          resolve(this.#occupy(key, slot, ttlMs));
        },
      };
      slot.waiting.push(waiter);
    });
  }

  #free(key: string, slot: KeySlot): void {
    this.#clock.clearTimeout(slot.timer);
    slot.owner = undefined;
    const next = slot.waiting.shift();
    if (next === undefined) this.#slots.delete(key);
    else next.start();
  }
}

/** Makes an empty set of sections on `clock`. */
export function createTurns(clock: Clock): Turns {
  return new KeyedSections(clock);
}

/** A lease that excludes other store objects. */
export interface Lease extends ExclusiveLease, ExclusiveWait {
  readonly key: string;
  readonly clock: Clock;
  /** When the wait for the lease began, by `monotonic(clock)`; default now. */
  readonly since?: number;
  /** Tries to acquire the lease; resolves to whether it did. */
  readonly take: () => Promise<boolean>;
  /** Releases the lease if this owner has it. */
  readonly release: () => Promise<unknown>;
}

/** The longest pause between two attempts; milliseconds. Random, so that processes spread out. */
const LEASE_POLL_MS = 10;

/** Runs `section` under the lease; rejects when the lease was not acquired within the wait. */
export async function leasedTurn<T>(lease: Lease, section: Section<T>): Promise<T> {
  const { key, ttlMs, clock, take, release, signal } = lease;
  const { since = monotonic(clock), waitMs = ttlMs } = lease;
  // Before anything is sent: leases of others may be in the same request.
  if (typeof key !== "string") throw new TypeError(`key must be text, received ${typeof key}`);
  checkTtl(ttlMs);
  signal?.throwIfAborted();
  let isOver = false;
  try {
    while (!(await take())) {
      if (monotonic(clock) >= since + waitMs) throw leaseTaken(key, waitMs);
      await new Promise<void>((resolve) => {
        clock.setTimeout(resolve, LEASE_POLL_MS * (0.5 + Math.random()));
      });
      signal?.throwIfAborted();
    }
    signal?.throwIfAborted(); // It aborted while the lease was being acquired (E3).
    // Not after the section: its store may be closed.
    return await section({ ttlMs, renew: async () => !isOver && lease.renew() });
  } finally {
    isOver = true;
    // Also when acquiring failed, which may have taken effect. A lease that cannot be released
    // expires; the section's outcome stands either way.
    await release().catch(() => undefined);
  }
}
