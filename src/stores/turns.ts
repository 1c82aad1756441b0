/** Exclusive turns inside one store object: one owner per key at a time, in order of arrival. */
import { StoreUnavailableError } from "../../actors/errors.ts";
import type { Clock } from "../../actors/protocol.ts";

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
  /** When the running turn loses its place. */
  until: number;
  /** Changes with each owner, so that a late one cannot free the place of the next. */
  owner: symbol | undefined;
  timer: unknown;
  readonly waiting: Waiter[];
}

/** The error of a turn whose place did not become free. */
export function placeTaken(key: string, ttlMs: number): StoreUnavailableError {
  return new StoreUnavailableError(
    `another owner kept the exclusive turn of ${JSON.stringify(key)} for ${ttlMs} ms; try again`,
  );
}

/** Refuses a `ttlMs` that no timer can keep. */
export function checkTtl(ttlMs: number): void {
  if (!(ttlMs > 0) || !Number.isFinite(ttlMs))
    throw new RangeError(`ttlMs must be a positive number of milliseconds, received ${ttlMs}`);
}

/** Makes an empty set of turns on `clock`. */
export function createTurns(clock: Clock): Turns {
  const places = new Map<string, Place>();

  function free(key: string, place: Place): void {
    clock.clearTimeout(place.timer);
    place.owner = undefined;
    const next = place.waiting.shift();
    if (next === undefined) places.delete(key);
    else next.start();
  }

  function occupy(key: string, place: Place, ttlMs: number): symbol {
    const owner = Symbol("turn");
    place.owner = owner;
    place.until = clock.now() + ttlMs;
    place.timer = clock.setTimeout(() => {
      // With nobody waiting the late owner stays listed, so that its commits are seen as stale.
      if (place.owner === owner && place.waiting.length > 0) free(key, place);
    }, ttlMs);
    return owner;
  }

  function wait(key: string, place: Place, ttlMs: number): Promise<symbol> {
    if (place.waiting.length >= WAITING_MAX) return Promise.reject(placeTaken(key, 0));
    return new Promise((resolve, reject) => {
      const timer = clock.setTimeout(() => {
        const index = place.waiting.indexOf(waiter);
        if (index === -1) return;
        place.waiting.splice(index, 1);
        reject(placeTaken(key, ttlMs));
      }, ttlMs);
      const waiter: Waiter = {
        start: () => {
          clock.clearTimeout(timer);
          resolve(occupy(key, place, ttlMs));
        },
      };
      place.waiting.push(waiter);
    });
  }

  function take(key: string, ttlMs: number): symbol | Promise<symbol> {
    const place = places.get(key);
    if (place === undefined) {
      const fresh: Place = { until: 0, owner: undefined, timer: undefined, waiting: [] };
      places.set(key, fresh);
      return occupy(key, fresh, ttlMs);
    }
    if (clock.now() >= place.until) {
      clock.clearTimeout(place.timer);
      return occupy(key, place, ttlMs);
    }
    return wait(key, place, ttlMs);
  }

  return {
    async run(key, ttlMs, turn) {
      checkTtl(ttlMs);
      const owner = await take(key, ttlMs);
      try {
        return await turn();
      } finally {
        const place = places.get(key);
        if (place?.owner === owner) free(key, place);
      }
    },
    isStale(key) {
      const place = places.get(key);
      return place !== undefined && clock.now() >= place.until;
    },
  };
}
