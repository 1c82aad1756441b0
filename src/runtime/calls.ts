/**
 * The calls of a runtime that are under way, so that it can close after them: a call made before
 * `close` ends as it would have ended, a later one is refused.
 *
 * A call may make further calls: a transaction takes its scopes, an execution or a mutator does
 * what its code says. They belong to it and are let through while it has not ended. Which call the
 * running code belongs to travels with the async context; a mutator is known by the scope it holds.
 *
 * Invariants
 *  D1  While the runtime drains, a call is let through exactly when it is made inside a call that
 *      was let through and has not ended.
 *  D2  `drain` resolves when nothing is under way any more, or when its time is over; it does not
 *      wait for the call it was itself made in.
 *  D3  A timer that keeps the process alive runs while `drain` waits.
 *  D4  A call that is left when the time is over, and that is not awaited, does not become an
 *      unhandled rejection.
 *  D5  A chain of contexts is no longer than the calls in it that have not ended.
 */
import { nextTurn } from "../../actors/time/soon.ts";
import { AsyncLocalStorage } from "node:async_hooks";
import { MAX_TIMER_MS } from "../../actors/time/clock.ts";
import { RuntimeClosedError } from "../../actors/errors.ts";
import type { Clock } from "../../actors/protocol.ts";
import { heldNow } from "../../actors/scope/reentrancy.ts";

/** The call that the running code belongs to, and the one around it. */
interface Call {
  readonly owner: Calls;
  outer: Call | undefined;
  live: boolean;
  /** `null` until its code has begun to wait. */
  done: Promise<unknown> | null;
}

const context = new AsyncLocalStorage<Call>();
const known = new WeakMap<object, Calls>();

/** A scope as closing sees it. */
export interface BusyScope {
  /** Something waits, runs or is being saved. */
  readonly busy: boolean;
}

/** What `drain` waits for, and for how long. */
export interface DrainParts {
  readonly clock: Clock;
  /** `Infinity` = as long as it takes; 0 and less = not at all. */
  readonly drainMs: number;
  /** The scopes that can have work. */
  readonly scopes: () => readonly BusyScope[];
}

/** The calls of one runtime; see the head of this file. */
export class Calls {
  readonly #isOwn: (holder: object) => boolean;
  readonly #running = new Set<Call>();
  /** Calls between `enter` and `leave`. */
  #entered = 0;
  #phase: "open" | "draining" | "closed" = "open";
  /** Lets `drain` look again. */
  #wake: (() => void) | null = null;

  /** `isOwn`: the holder of a turn is a scope of this runtime. */
  constructor(isOwn: (holder: object) => boolean) {
    this.#isOwn = isOwn;
  }

  /** The running code may make no call. */
  get refuses(): boolean {
    if (this.#phase === "open") return false;
    return this.#phase === "closed" || !(this.#around().size > 0 || heldNow().some(this.#isOwn));
  }

  /** Runs `work` as a call of which everything it calls is a part (D1). */
  run<T>(work: () => Promise<T>): Promise<T> {
    if (this.refuses) return Promise.reject(new RuntimeClosedError());
    const outer = livingIn(context.getStore());
    for (let each = outer; each !== undefined; each = each.outer) each.outer = livingIn(each.outer);
    const call: Call = { owner: this, outer, live: true, done: null };
    this.#running.add(call); // Before its code can ask.
    const done = this.#begin(call, work);
    call.done = done;
    const ended = (): void => {
      this.#running.delete(call);
      this.rested();
    };
    done.then(ended, ended);
    return done;
  }

  async #begin<T>(call: Call, work: () => Promise<T>): Promise<T> {
    try {
      return await context.run(call, work);
    } finally {
      call.live = false;
    }
  }

  /** A call begins that calls nothing which could be refused; throws `RuntimeClosedError`. */
  enter(): void {
    if (this.refuses) throw new RuntimeClosedError();
    this.#entered += 1;
  }

  /** It has ended. */
  leave(): void {
    this.#entered -= 1;
    this.rested();
  }

  /** Something has come to rest. */
  rested(): void {
    this.#wake?.();
  }

  /**
   * Refuses from now on what belongs to no call under way, and resolves when all of those have
   * ended, to 0, or when the time is over, to how many calls and scopes are left (D2).
   */
  async drain({ clock, drainMs, scopes }: DrainParts): Promise<number> {
    this.#phase = "draining";
    const limit = new Limit(clock, drainMs);
    let busy: readonly BusyScope[] = [];
    try {
      for (;;) {
        // Looked at anew: what `drain` was called in may end before the others.
        const around = this.#around();
        const held = new Set(heldNow());
        busy = busy.filter((scope) => scope.busy);
        // When those that were busy are not, all are looked at again: one may have used another.
        if (busy.length === 0) busy = scopes().filter((scope) => scope.busy && !held.has(scope));
        const others = [...this.#running].filter((call) => !around.has(call));
        const left = busy.length + this.#entered + others.length;
        if (left === 0 || limit.isOver) return left;
        await Promise.race([limit.over, this.#next()]);
      }
    } finally {
      limit.clear();
      this.#wake = null;
      this.#phase = "closed";
      for (const { done } of this.#running) done?.catch(() => undefined); // D4
    }
  }

  /** Resolves in the turn of the loop after something came to rest. */
  #next(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = null;
        nextTurn(resolve);
      };
    });
  }

  /** The calls of this runtime that the running code is in. */
  #around(): Set<Call> {
    const around = new Set<Call>();
    for (let each = livingIn(context.getStore()); each !== undefined; each = livingIn(each.outer))
      if (each.owner === this) around.add(each);
    return around;
  }
}

/** Remembers the calls of a runtime, for the libraries that stand on it. */
export function keepCalls(runtime: object, calls: Calls): void {
  known.set(runtime, calls);
}

/**
 * Runs `work` as one call of `runtime`: what it does in several steps is finished before the
 * runtime closes. Rejects with `RuntimeClosedError` when it is closed.
 */
export function asCall<T>(runtime: object, work: () => Promise<T>): Promise<T> {
  const calls = known.get(runtime);
  return calls === undefined ? work() : calls.run(work); // One of another copy does without.
}

function livingIn(call: Call | undefined): Call | undefined {
  let living = call;
  while (living !== undefined && !living.live) living = living.outer;
  return living;
}

/** The time of a drain. */
class Limit {
  readonly over: Promise<void>;
  readonly #clock: Clock;
  #timer: unknown;
  #left: number;
  #end: (() => void) | null = null;

  constructor(clock: Clock, drainMs: number) {
    this.#clock = clock;
    this.#left = drainMs;
    this.over = new Promise((resolve) => {
      this.#end = resolve;
    });
    this.#wait();
  }

  get isOver(): boolean {
    return !(this.#left > 0);
  }

  clear(): void {
    this.#clock.clearTimeout(this.#timer);
  }

  /** In steps a timer can keep (D3). */
  #wait(): void {
    if (this.isOver) return this.#end?.();
    const stepMs = Math.min(this.#left, MAX_TIMER_MS);
    this.#timer = this.#clock.setTimeout(() => {
      this.#left -= stepMs;
      this.#wait();
    }, stepMs);
  }
}
