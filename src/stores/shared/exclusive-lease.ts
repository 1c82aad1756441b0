/**
 * Exclusive turns: inside one store object, one owner per key at a time in order of arrival;
 * between store objects by a lease that each asks for.
 */
import { monotonic } from "../../../actors/time/clock.ts";
import { StoreUnavailableError } from "../../../actors/errors.ts";
import type { Clock } from "../../../actors/protocol.ts";

/** The running turns of one store object. */
export interface Turns {
  /** Runs `turn` when the place of `key` is free; rejects when that takes longer than `ttlMs`. */
  run<T>(key: string, ttlMs: number, turn: () => Promise<T>): Promise<T>;
  /** True while a turn of `key` runs on past its time: what it commits is a conflict. */
  isStale(key: string): boolean;
}

/** So many turns may wait for one key. */
const WAITING_MAX = 10_000;

interface Waiter {
  readonly start: () => void;
}

interface Place {
  /** When the running turn loses its place, of `monotonic`. */
  until: number;
  /** Changes with each owner, so that a late one cannot free the place of the next. */
  owner: symbol | undefined;
  timer: unknown;
  readonly waiting: Waiter[];
}

/** The error of a turn whose place did not become free. */
function placeTaken(key: string, ttlMs: number): StoreUnavailableError {
  return new StoreUnavailableError(
    `another owner kept the exclusive turn of ${JSON.stringify(key)} for ${ttlMs} ms; try again`,
  );
}

/** Refuses a `ttlMs` that no timer can keep. */
export function checkTtl(ttlMs: number): void {
  if (!(ttlMs > 0) || !Number.isFinite(ttlMs))
    throw new RangeError(`ttlMs must be a positive number of milliseconds, received ${ttlMs}`);
}

class KeyedTurns implements Turns {
  readonly #clock: Clock;
  readonly #places = new Map<string, Place>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async run<T>(key: string, ttlMs: number, turn: () => Promise<T>): Promise<T> {
    checkTtl(ttlMs);
    const owner = await this.#take(key, ttlMs);
    try {
      return await turn();
    } finally {
      const place = this.#places.get(key);
      if (place?.owner === owner) this.#free(key, place);
    }
  }

  isStale(key: string): boolean {
    const place = this.#places.get(key);
    return place !== undefined && monotonic(this.#clock) >= place.until;
  }

  #take(key: string, ttlMs: number): symbol | Promise<symbol> {
    const place = this.#places.get(key);
    if (place === undefined) {
      const fresh: Place = { until: 0, owner: undefined, timer: undefined, waiting: [] };
      this.#places.set(key, fresh);
      return this.#occupy(key, fresh, ttlMs);
    }
    if (monotonic(this.#clock) < place.until || place.waiting.length > 0)
      return this.#wait(key, place, ttlMs);
    this.#clock.clearTimeout(place.timer);
    return this.#occupy(key, place, ttlMs);
  }

  #occupy(key: string, place: Place, ttlMs: number): symbol {
    const owner = Symbol("turn");
    place.owner = owner;
    place.until = monotonic(this.#clock) + ttlMs;
    place.timer = this.#clock.setTimeout(() => {
      if (place.owner !== owner) return;
      place.until = -Infinity; // Also when the clock was set back meanwhile.
      // With nobody waiting the late owner stays listed, so that its commits are seen as stale.
      if (place.waiting.length > 0) this.#free(key, place);
    }, ttlMs);
    return owner;
  }

  #wait(key: string, place: Place, ttlMs: number): Promise<symbol> {
    if (place.waiting.length >= WAITING_MAX) return Promise.reject(placeTaken(key, 0));
    return new Promise((resolve, reject) => {
      const timer = this.#clock.setTimeout(() => {
        const index = place.waiting.indexOf(waiter);
        if (index === -1) return;
        place.waiting.splice(index, 1);
        reject(placeTaken(key, ttlMs));
      }, ttlMs);
      const waiter: Waiter = {
        start: () => {
          this.#clock.clearTimeout(timer);
          resolve(this.#occupy(key, place, ttlMs));
        },
      };
      place.waiting.push(waiter);
    });
  }

  #free(key: string, place: Place): void {
    this.#clock.clearTimeout(place.timer);
    place.owner = undefined;
    const next = place.waiting.shift();
    if (next === undefined) this.#places.delete(key);
    else next.start();
  }
}

/** Makes an empty set of turns on `clock`. */
export function createTurns(clock: Clock): Turns {
  return new KeyedTurns(clock);
}

/** A place that store objects take from each other. */
export interface Lease {
  readonly key: string;
  readonly ttlMs: number;
  readonly clock: Clock;
  /** Since when the place is waited for, of `monotonic(clock)`; default now. */
  readonly since?: number;
  /** Resolves to whether the place is taken now. */
  readonly take: () => Promise<boolean>;
  /** Gives it back, if it is held. */
  readonly release: () => Promise<unknown>;
}

/** How often a place is asked for; milliseconds. Random by half, so that many do not keep step. */
const LEASE_POLL_MS = 10;

/** Runs `turn` while the lease is held; rejects when it could not be taken for `ttlMs`. */
export async function leasedTurn<T>(lease: Lease, turn: () => Promise<T>): Promise<T> {
  const { key, ttlMs, clock, since = monotonic(clock), take, release } = lease;
  checkTtl(ttlMs);
  try {
    while (!(await take())) {
      if (monotonic(clock) >= since + ttlMs) throw placeTaken(key, ttlMs);
      await new Promise<void>((resolve) => {
        clock.setTimeout(resolve, LEASE_POLL_MS * (0.5 + Math.random()));
      });
    }
    return await turn();
  } finally {
    // Also when taking it failed, which may have taken it. A lease that cannot be released ends by
    // its time; the turn's outcome stands either way.
    await release().catch(() => undefined);
  }
}
