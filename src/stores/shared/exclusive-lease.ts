/**
 * Exclusive sections. Inside one store object, one section per key runs at a time, in order of
 * arrival. Between store objects, a lease that each one polls for excludes the others.
 */
import { monotonic } from "../../../actors/time/clock.ts";
import { StoreUnavailableError } from "../../../actors/errors.ts";
import type { Clock } from "../../../actors/protocol.ts";

/** The exclusive sections of one store object. */
export interface Turns {
  /** Runs `section` when `key` is free; rejects when that takes longer than `ttlMs`. */
  run<T>(key: string, ttlMs: number, section: () => Promise<T>): Promise<T>;
  /** True while a section of `key` runs past its `ttlMs`: its commits are conflicts. */
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
function leaseTaken(key: string, ttlMs: number): StoreUnavailableError {
  return new StoreUnavailableError(
    `another owner kept the exclusive lease of ${JSON.stringify(key)} for ${ttlMs} ms; try again`,
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

  async run<T>(key: string, ttlMs: number, section: () => Promise<T>): Promise<T> {
    checkTtl(ttlMs);
    const owner = await this.#take(key, ttlMs);
    try {
      return await section();
    } finally {
      const slot = this.#slots.get(key);
      if (slot?.owner === owner) this.#free(key, slot);
    }
  }

  isStale(key: string): boolean {
    const slot = this.#slots.get(key);
    return slot !== undefined && monotonic(this.#clock) >= slot.until;
  }

  #take(key: string, ttlMs: number): symbol | Promise<symbol> {
    const slot = this.#slots.get(key);
    if (slot === undefined) {
      const fresh: KeySlot = { until: 0, owner: undefined, timer: undefined, waiting: [] };
      this.#slots.set(key, fresh);
      return this.#occupy(key, fresh, ttlMs);
    }
    if (monotonic(this.#clock) < slot.until || slot.waiting.length > 0)
      return this.#wait(key, slot, ttlMs);
    this.#clock.clearTimeout(slot.timer);
    return this.#occupy(key, slot, ttlMs);
  }

  #occupy(key: string, slot: KeySlot, ttlMs: number): symbol {
    const owner = Symbol("section");
    slot.owner = owner;
    slot.until = monotonic(this.#clock) + ttlMs;
    slot.timer = this.#clock.setTimeout(() => {
      if (slot.owner !== owner) return;
      slot.until = -Infinity; // Also when the clock was set back meanwhile.
      // Without a waiter the late owner stays listed, so that its commits are seen as stale.
      if (slot.waiting.length > 0) this.#free(key, slot);
    }, ttlMs);
    return owner;
  }

  #wait(key: string, slot: KeySlot, ttlMs: number): Promise<symbol> {
    if (slot.waiting.length >= WAITING_MAX) return Promise.reject(leaseTaken(key, 0));
    return new Promise((resolve, reject) => {
      const timer = this.#clock.setTimeout(() => {
        const index = slot.waiting.indexOf(waiter);
        if (index === -1) return;
        slot.waiting.splice(index, 1);
        reject(leaseTaken(key, ttlMs));
      }, ttlMs);
      const waiter: Waiter = {
        start: () => {
          this.#clock.clearTimeout(timer);
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
export interface Lease {
  readonly key: string;
  readonly ttlMs: number;
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

/** Runs `section` under the lease; rejects when the lease was not acquired within `ttlMs`. */
export async function leasedTurn<T>(lease: Lease, section: () => Promise<T>): Promise<T> {
  const { key, ttlMs, clock, since = monotonic(clock), take, release } = lease;
  checkTtl(ttlMs);
  try {
    while (!(await take())) {
      if (monotonic(clock) >= since + ttlMs) throw leaseTaken(key, ttlMs);
      await new Promise<void>((resolve) => {
        clock.setTimeout(resolve, LEASE_POLL_MS * (0.5 + Math.random()));
      });
    }
    return await section();
  } finally {
    // Also when acquiring failed, which may have taken effect. A lease that cannot be released
    // expires; the section's outcome stands either way.
    await release().catch(() => undefined);
  }
}
