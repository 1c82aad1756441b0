/**
 * The running calls of a runtime, so that it can close after them: a call made before `close` ends
 * normally, a later one is refused.
 *
 * A call may make further calls: a transaction claims its scopes, an execution or a mutator runs
 * user code. These calls belong to it and are admitted while it has not ended. The async context
 * carries the call to which the running code belongs; a mutator is recognised by its holding.
 *
 * Invariants
 *  D1  While the runtime drains, a call is admitted exactly when it is made inside a call that
 *      was admitted and has not ended.
 *  D2  `drain` resolves when no call runs any more, or when its time limit is over; it does not
 *      wait for the call in which it was made.
 *  D3  A timer that keeps the process alive runs while `drain` waits.
 *  D4  A call that still runs at the time limit, and that is not awaited, does not become an
 *      unhandled rejection.
 *  D5  A chain of contexts is no longer than the calls in it that have not ended.
 *  D6  A call of steps has no context. It lets in what it begins in `admit`, in which no code of a
 *      user runs, and nothing else.
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
  /** `null` until its code has returned a promise. */
  done: Promise<unknown> | null;
}

const context = new AsyncLocalStorage<Call>();
const known = new WeakMap<object, Calls>();

/** Begins a call, synchronously, as a step of the call to which this was given (D6). */
export type Admit = <T>(begin: () => T) => T;

/** A scope as `drain` uses it. */
export interface BusyScope {
  /** True when a call waits, runs or is being saved. */
  readonly busy: boolean;
}

/** Options of `drain`. */
export interface DrainParts {
  readonly clock: Clock;
  /** The time limit; `Infinity` = none; 0 and less = no wait. */
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
  /** Written only here; while it is open, no call is refused. */
  phase: "open" | "draining" | "closed" = "open";
  /** A step of an admitted call begins. */
  #admits = false;
  /** Makes `drain` check again. */
  #wake: (() => void) | null = null;

  /** `isOwn`: true for a holder that is a scope of this runtime. */
  constructor(isOwn: (holder: object) => boolean) {
    this.#isOwn = isOwn;
  }

  /** True when calls of the running code are refused. */
  get refuses(): boolean {
    if (this.phase === "open") return false;
    if (this.phase === "closed") return true;
    return !(this.#admits || this.#around().size > 0 || heldNow().some(this.#isOwn));
  }

  /** Runs `work` as one call, with all calls inside it (D1). */
  run<T>(work: () => Promise<T>): Promise<T> {
    return this.#run((call) => context.run(call, work));
  }

  /**
   * Runs `work` as one call without a context (D6). On Node 20 the first context of a process costs
   * a fifth of a cold call, and slows every promise from then on.
   */
  runSteps<T>(work: (admit: Admit) => Promise<T>): Promise<T> {
    return this.#run(() => work(this.#admit));
  }

  #run<T>(begin: (call: Call) => Promise<T>): Promise<T> {
    if (this.refuses) return Promise.reject(new RuntimeClosedError());
    const outer = livingIn(context.getStore());
    for (let each = outer; each !== undefined; each = each.outer) each.outer = livingIn(each.outer);
    const call: Call = { owner: this, outer, live: true, done: null };
    this.#running.add(call); // Before its code can make a call.
    const done = this.#begin(call, begin);
    call.done = done;
    const ended = (): void => {
      this.#running.delete(call);
      this.rested();
    };
    done.then(ended, ended);
    return done;
  }

  async #begin<T>(call: Call, begin: (call: Call) => Promise<T>): Promise<T> {
    try {
      return await begin(call);
    } finally {
      call.live = false;
    }
  }

  readonly #admit: Admit = (begin) => {
    const before = this.#admits;
    this.#admits = true;
    try {
      return begin();
    } finally {
      this.#admits = before;
    }
  };

  /** Begins a call without further calls inside; throws `RuntimeClosedError`. */
  enter(): void {
    if (this.refuses) throw new RuntimeClosedError();
    this.#entered += 1;
  }

  /** Ends what `enter` began. */
  leave(): void {
    this.#entered -= 1;
    this.rested();
  }

  /** Called when a scope or call has become idle. */
  rested(): void {
    this.#wake?.();
  }

  /**
   * Refuses from now on every call outside the running ones. Resolves when those have ended, to 0,
   * or at the time limit, to the number of calls and scopes that are still busy (D2).
   */
  async drain({ clock, drainMs, scopes }: DrainParts): Promise<number> {
    this.phase = "draining";
    const limit = new Limit(clock, drainMs);
    let busy: readonly BusyScope[] = [];
    try {
      for (;;) {
        // Read again: the call around `drain` may end before the others.
        const around = this.#around();
        const held = new Set(heldNow());
        busy = busy.filter((scope) => scope.busy);
        // When none of these is busy, all are checked again: one may have used another.
        if (busy.length === 0) busy = scopes().filter((scope) => scope.busy && !held.has(scope));
        const others = [...this.#running].filter((call) => !around.has(call));
        const left = busy.length + this.#entered + others.length;
        if (left === 0 || limit.isOver) return left;
        await Promise.race([limit.over, this.#next()]);
      }
    } finally {
      limit.clear();
      this.#wake = null;
      this.phase = "closed";
      for (const { done } of this.#running) done?.catch(() => undefined); // D4
    }
  }

  /** Resolves in the tick after a scope or call has become idle. */
  #next(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = null;
        nextTurn(resolve);
      };
    });
  }

  /** The calls of this runtime around the running code. */
  #around(): Set<Call> {
    const around = new Set<Call>();
    for (let each = livingIn(context.getStore()); each !== undefined; each = livingIn(each.outer))
      if (each.owner === this) around.add(each);
    return around;
  }
}

/** Registers the calls of a runtime, for `asCall`. */
export function keepCalls(runtime: object, calls: Calls): void {
  known.set(runtime, calls);
}

/**
 * Runs `work` as one call of `runtime`: all of its steps finish before the runtime closes. Rejects
 * with `RuntimeClosedError` when the runtime is closed.
 */
export function asCall<T>(runtime: object, work: () => Promise<T>): Promise<T> {
  const calls = known.get(runtime);
  return calls === undefined ? work() : calls.run(work); // Unknown for another copy.
}

/** As `asCall`, for a call of steps (D6). */
export function asSteps<T>(runtime: object, work: (admit: Admit) => Promise<T>): Promise<T> {
  const calls = known.get(runtime);
  return calls === undefined ? work((begin) => begin()) : calls.runSteps(work);
}

function livingIn(call: Call | undefined): Call | undefined {
  let living = call;
  while (living !== undefined && !living.live) living = living.outer;
  return living;
}

/** The time limit of a drain. */
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

  /** Waits in steps that a timer accepts (D3). */
  #wait(): void {
    if (this.isOver) return this.#end?.();
    const stepMs = Math.min(this.#left, MAX_TIMER_MS);
    this.#timer = this.#clock.setTimeout(() => {
      this.#left -= stepMs;
      this.#wait();
    }, stepMs);
  }
}
