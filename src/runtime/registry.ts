/**
 * The registry: which scopes are in memory. The same key is always the same actor.
 *
 * A resident scope is referenced; a passivated one has a weak reference only. A program that still
 * has its handle keeps it and opens the same object again; without handles it is collected, and the
 * next `spawn` loads it from the store. So two actors for one key cannot exist, and passivation
 * needs no protocol with handles.
 *
 *     (absent) ──spawn──▶ loading ──▶ resident ──idle, or too many──▶ passive ──collected──▶
 *     (absent)
 *                            │           ▲                               │
 *                            └─failed    └────────────spawn──────────────┘
 *
 * Invariants
 *  Y1  For one key at most one live scope exists; concurrent spawns share one load.
 *  Y2  A scope is passivated only while it is idle and everything it knows can be loaded again, or
 *      is to go with its last handle.
 *  Y3  At most `maxResident` scopes are held, except those that may not be passivated just now.
 *  Y4  After `stop` every scope is stopped and nothing can be spawned.
 */
import { RuntimeClosedError } from "../../actors/errors.ts";
import type { TimerWheel } from "../../actors/time/timer-wheel.ts";
import { begin } from "../../actors/scope/safe-call.ts";

/** What the system needs to know of what it keeps. */
export interface Resident {
  /** Held in memory by the system; written only here. */
  resident: boolean;
  /** Set by every use; cleared here. */
  touched: boolean;
  readonly stopped: boolean;
  stop(): Promise<void>;
}

/** How a system keeps its scopes. */
export interface SystemOptions<A> {
  readonly wheel: TimerWheel;
  /** `Infinity` = no limit. */
  readonly maxResident: number;
  /** `Infinity` = never. */
  readonly passivateAfterMs: number;
  /** True when nothing that has to stay is lost by dropping the scope from memory now (Y2). */
  readonly mayPassivate: (scope: A) => boolean;
  /** A passivated scope has left memory. */
  readonly collected: (key: string) => void;
}

/** How many residents one look may visit per scope that has to go. */
const LOOKS_PER_VICTIM = 8;

/** Keeps the scopes of a runtime; see the head of this file. */
export class Registry<A extends Resident> {
  readonly #options: SystemOptions<A>;
  readonly #residents = new Map<string, A>();
  /**
   * Where the next look begins. One walk through all residents, begun anew at its end: one that
   * begins at the front each time would pass all the places that were left there.
   */
  #walk: Iterator<[string, A]> | null = null;
  readonly #dismissed = new Set<string>();
  readonly #loading = new Map<string, Promise<A>>();
  readonly #passive = new Map<string, WeakRef<A>>();
  readonly #collected = new FinalizationRegistry<string>((key) => {
    const passive = this.#passive.get(key);
    if (passive === undefined || passive.deref() !== undefined) return;
    this.#passive.delete(key);
    this.#options.collected(key);
  });
  /** The work of `stop`, from its first call on. */
  #stopping: Promise<void> | null = null;

  constructor(options: SystemOptions<A>) {
    this.#options = options;
    if (options.passivateAfterMs !== Infinity) this.#watchIdle();
  }

  /** True once `stop` was called. */
  get stopping(): boolean {
    return this.#stopping !== null;
  }

  /** How many scopes are held in memory. */
  get residentCount(): number {
    return this.#residents.size;
  }

  /** The scopes held in memory. */
  get residents(): A[] {
    return [...this.#residents.values()];
  }

  /** The scopes that can still be reached: resident ones, and those that only handles keep. */
  get living(): A[] {
    const passive = [...this.#passive.values()].flatMap((reference) => reference.deref() ?? []);
    return [...this.#residents.values(), ...passive].filter((scope) => !scope.stopped);
  }

  /** The live scope of a key, when it is in memory. */
  find(key: string): A | undefined {
    const scope = this.#residents.get(key) ?? this.#passive.get(key)?.deref();
    return scope === undefined || scope.stopped ? undefined : scope;
  }

  /** The live scope of a key; `make` is called when there is none. Rejects when that fails. */
  async spawn(key: string, make: () => Promise<A>): Promise<A> {
    if (this.#stopping !== null) throw new RuntimeClosedError();
    const found = this.find(key);
    if (found !== undefined) return this.hold(key, found);
    let loading = this.#loading.get(key);
    if (loading === undefined) {
      loading = this.#leave(key)
        .then(make)
        .then((scope) => this.#arrive(key, scope))
        .finally(() => this.#loading.delete(key));
      this.#loading.set(key, loading);
    }
    return loading;
  }

  /** The live scope of a key, also when it is on its way into memory. */
  async arrived(key: string): Promise<A | undefined> {
    await this.#loading.get(key)?.catch(() => undefined); // The call that loads it rejects.
    return this.find(key);
  }

  /** Holds a live scope in memory (again). */
  hold(key: string, scope: A): A {
    if (scope.resident || scope.stopped) return scope;
    scope.resident = true;
    scope.touched = true;
    if (this.#passive.delete(key)) this.#collected.unregister(scope);
    this.#residents.set(key, scope);
    if (this.#isOver) this.#makeRoom();
    return scope;
  }

  /** Drops a scope from memory when nothing would be lost; it comes back on demand. */
  passivate(key: string): boolean {
    const scope = this.#residents.get(key);
    if (scope === undefined || !this.#options.mayPassivate(scope)) return false;
    this.#residents.delete(key);
    this.#dismissed.delete(key);
    scope.resident = false;
    this.#passive.set(key, new WeakRef(scope));
    this.#collected.register(scope, key, scope);
    return true;
  }

  /**
   * This scope is not expected to be used again: it is passivated as soon as that loses nothing.
   */
  dismiss(key: string): void {
    if (this.#residents.has(key) && !this.passivate(key)) this.#dismissed.add(key);
  }

  /**
   * A scope has nothing to do any more. It is passivated if it does not stay by itself, was
   * dismissed, or while there are too many (Y3).
   */
  rested(key: string, stays = true): void {
    const isOver = this.#residents.size > this.#options.maxResident;
    const isLeaving = isOver || (this.#dismissed.size > 0 && this.#dismissed.has(key));
    if (!stays || isLeaving) this.passivate(key);
  }

  /** Forgets a scope that stopped. */
  forget(key: string, scope: A): void {
    if (this.#residents.get(key) === scope) {
      this.#residents.delete(key);
      this.#dismissed.delete(key);
    }
    if (this.#passive.get(key)?.deref() === scope) this.#passive.delete(key);
  }

  /** Stops every scope; rejects with the first failure, after all have been stopped. */
  stop(): Promise<void> {
    const keep = (stopping: Promise<void>): void => void (this.#stopping = stopping);
    return this.#stopping ?? begin(keep, () => this.#stop());
  }

  /** Waits until a stopped scope of this key has written everything down. */
  async #leave(key: string): Promise<void> {
    const leaving = this.#residents.get(key) ?? this.#passive.get(key)?.deref();
    // The caller of `stop` receives its failure.
    await leaving?.stop().catch(() => undefined);
  }

  /** A scope was loaded; too late when the registry is stopping. */
  async #arrive(key: string, scope: A): Promise<A> {
    if (this.#stopping === null) return this.hold(key, scope);
    await scope.stop();
    throw new RuntimeClosedError();
  }

  /** The next not used since the last look goes; when all were, the first that may. */
  #makeRoom(): void {
    const seen: string[] = [];
    for (let looks = 0; looks < LOOKS_PER_VICTIM && this.#isOver; looks += 1) {
      const [key, scope] = this.#next();
      if (!scope.touched && this.passivate(key)) continue;
      scope.touched = false;
      seen.push(key);
    }
    for (const key of seen) if (this.#isOver) this.passivate(key);
  }

  get #isOver(): boolean {
    return this.#residents.size > this.#options.maxResident;
  }

  /** The next resident of the walk; there is one whenever there are too many. */
  #next(): [string, A] {
    for (;;) {
      this.#walk ??= this.#residents.entries();
      const { done, value } = this.#walk.next();
      if (done !== true) return value;
      this.#walk = null;
    }
  }

  #watchIdle(): void {
    const { wheel, passivateAfterMs } = this.#options;
    wheel.schedule(passivateAfterMs, () => {
      for (const [key, scope] of this.#residents) {
        if (!scope.touched) this.passivate(key);
        scope.touched = false;
      }
      if (this.#stopping === null) this.#watchIdle();
    });
  }

  async #stop(): Promise<void> {
    const loading = Promise.allSettled(this.#loading.values());
    const passive = [...this.#passive.values()].map((reference) => reference.deref());
    const scopes = [...this.#residents.values(), ...passive.filter((scope) => scope !== undefined)];
    const stops = await Promise.allSettled(scopes.map((scope) => scope.stop()));
    await loading; // Each is stopped when it arrives, and the call that waits for it rejects.
    this.#residents.clear();
    this.#dismissed.clear();
    this.#passive.clear();
    const failed = stops.find((stop) => stop.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  }
}
