/**
 * Runs the user code of one mutation at a time, synchronous or not, in its caller's async context.
 *
 *     run ──synchronous──────────────────────────▶ outcome
 *      └──promise──▶ running ──settles──────────▶ outcome        leave, drop: from anywhere
 *                       └──hold──▶ settles, kept ──release──▶ outcome
 *
 * Invariants
 *  X1  One entry runs at a time, and each run ends exactly once: with a value, a throw, or `left`.
 *  X2  After `leave` and `drop` nothing the code still does has an effect; its late outcome is
 *      forgotten and cannot become an unhandled rejection.
 *  X3  While held, no outcome is told: it is kept, and told by `release`.
 */
import type { ScopeCell } from "./scope-core.ts";
import type { Entry } from "./mailbox.ts";
import { isThenable, type Mutation } from "./mutation.ts";
import { Turn } from "./reentrancy.ts";

/** How user code ended; `left`: its caller is gone and the result is not wanted. */
export type Ended = { readonly value: unknown } | { readonly thrown: unknown } | "left";

const NOTHING: Ended = { value: undefined };

/** One run of asynchronous code. */
interface Run {
  readonly entry: Entry;
  readonly turn: Turn;
  readonly tell: (ended: Ended) => void;
  /** What is told on release. */
  kept: Ended | null;
}

/** Runs user code for a scope; see the head of this file. */
export class Runner {
  readonly #cell: ScopeCell;
  #running: Entry | null = null;
  #run: Run | null = null;
  #held = false;

  constructor(cell: ScopeCell) {
    this.#cell = cell;
  }

  /** The entry whose code is running, or has run and is held. */
  get running(): Entry | null {
    return this.#running;
  }

  /** Runs the code of `mutation`. Answers how it ended, or `null` when `tell` will be told. */
  run(entry: Entry, mutation: Mutation, tell: (ended: Ended) => void): Ended | null {
    if (mutation.compute === undefined) return NOTHING;
    entry.attempt += 1;
    const turn = new Turn(entry.attempt);
    entry.turn = turn;
    this.#running = entry;
    const state = this.#cell.head.expose();
    const code = (): unknown =>
      turn.run(this.#cell, this.#cell.identity, () => mutation.compute?.(state, turn));
    try {
      const value = entry.context === null ? code() : entry.context.runInAsyncScope(code);
      if (!isThenable(value)) return this.#over(turn, entry.settled ? "left" : { value });
      this.#await(value, { entry, turn, tell, kept: null });
      // A mutator can abort its own call, or stop the scope, before it waits for anything.
      return entry.settled ? this.#over(turn, "left") : null;
    } catch (thrown) {
      return this.#over(turn, entry.settled ? "left" : { thrown });
    }
  }

  /** The running entry loses its turn and its caller is refused. */
  leave(reason: unknown): void {
    const run = this.#run;
    const entry = this.#running;
    entry?.reject(reason);
    if (run === null) entry?.turn?.lose(reason); // Synchronous: `run` looks when the code returns.
    else run.tell(this.#lose(run, reason));
  }

  /** Gives up a run whose caller still waits, so that it can run again. */
  drop(): Entry | null {
    const run = this.#run;
    if (run !== null) this.#lose(run, undefined);
    return run?.entry ?? null;
  }

  /** Keeps what comes until `release` (X3). */
  hold(): void {
    this.#held = true;
  }

  /** Tells what was kept, and from now on tells at once. */
  release(): void {
    this.#held = false;
    const run = this.#run;
    if (run !== null && run.kept !== null) run.tell(this.#over(run.turn, run.kept));
  }

  #await(value: PromiseLike<unknown>, run: Run): void {
    this.#run = run;
    const settle = (ended: Ended): void => {
      run.turn.end();
      if (this.#run !== run) return; // It left or was dropped (X2).
      if (this.#held) run.kept = ended;
      else run.tell(this.#over(run.turn, ended));
    };
    // Through a promise, since other thenables may call back at once, twice, or throw.
    Promise.resolve(value).then(
      (result) => settle({ value: result }),
      (thrown: unknown) => settle({ thrown }),
    );
  }

  #lose(run: Run, reason: unknown): Ended {
    this.#over(run.turn, "left");
    run.turn.lose(reason);
    return "left";
  }

  #over(turn: Turn, ended: Ended): Ended {
    turn.end();
    this.#running = null;
    this.#run = null;
    return ended;
  }
}
