/**
 * Runs the user code of one mutation at a time, synchronous or not, in its caller's async context.
 *
 * Invariants
 *  X1  One entry runs at a time, and each run ends exactly once: with a value, a throw, or `left`.
 *  X2  After `left` nothing the code still does has an effect; its late outcome is dropped and
 *      cannot become an unhandled rejection.
 */
import type { ScopeCell } from "./cell.ts";
import type { Entry } from "./mailbox.ts";
import { isThenable, type Mutation } from "./mutation.ts";
import { Turn } from "./turn.ts";

/** How user code ended; `left`: its caller is gone and the result is not wanted. */
export type Ended = { readonly value: unknown } | { readonly thrown: unknown } | "left";

const NOTHING: Ended = { value: undefined };

/** Runs user code for a scope; see the head of this file. */
export class Runner {
  readonly #cell: ScopeCell;
  #running: Entry | null = null;
  #late: ((ended: Ended) => void) | null = null;

  constructor(cell: ScopeCell) {
    this.#cell = cell;
  }

  /** The entry whose code is running. */
  get running(): Entry | null {
    return this.#running;
  }

  /** Runs the code of `mutation`. Answers how it ended, or `null` when `late` will be told. */
  run(
    entry: Entry,
    mutation: Mutation,
    attempt: number,
    late: (ended: Ended) => void,
  ): Ended | null {
    if (mutation.compute === undefined) return NOTHING;
    const turn = new Turn(attempt);
    entry.turn = turn;
    this.#running = entry;
    const state = this.#cell.head.expose();
    const code = (): unknown =>
      turn.run(this.#cell, this.#cell.identity, () => mutation.compute?.(state, turn));
    try {
      const value = entry.context === null ? code() : entry.context.runInAsyncScope(code);
      // A synchronous mutator can have aborted its own call.
      if (!isThenable(value)) return this.#over(turn, entry.settled ? "left" : { value });
      const tell = (ended: Ended): void => {
        if (entry.turn === turn && this.#late !== null) late(this.#over(turn, ended));
      };
      value.then(
        (result) => tell({ value: result }),
        (thrown: unknown) => tell({ thrown }),
      );
      if (entry.settled) return this.#over(turn, "left");
      this.#late = (ended) => late(this.#over(turn, ended));
      return null;
    } catch (thrown) {
      return this.#over(turn, entry.settled ? "left" : { thrown });
    }
  }

  /** The running entry loses its turn and its caller is refused. */
  leave(reason: unknown): void {
    const entry = this.#running;
    const late = this.#late;
    entry?.reject(reason);
    entry?.turn?.lose(reason);
    late?.("left"); // Null while synchronous code runs: `run` looks for itself when it returns.
  }

  #over(turn: Turn, ended: Ended): Ended {
    turn.end();
    this.#running = null;
    this.#late = null;
    return ended;
  }
}
