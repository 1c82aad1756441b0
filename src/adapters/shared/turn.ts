/**
 * A turn: code that has the value of a key to itself, from the read to the save.
 *
 * Invariants
 *  T1  Turns of one key run one after another, those of other processes too where the store
 *      excludes them; each begins with what the one before it has stored.
 *  T2  A turn that throws stores nothing.
 *  T3  After a turn its value is what is stored, frozen, and setting it throws: no later change can
 *      be taken for a stored one.
 */
import { StateSealedError } from "../../../actors/errors.ts";
import { mutableCopy } from "../../../actors/state/mutable-copy.ts";
import type { KeptValues } from "./kept-values.ts";

/** How a turn begins. */
export interface TurnStart<T> {
  readonly key: string;
  /** The value of a key that has none; default `undefined`. */
  readonly initial?: (() => T) | undefined;
  /** Milliseconds that a turn waits for earlier ones; default as for every call of the runtime. */
  readonly timeoutMs?: number | undefined;
}

/** The value of a turn, which its code reads, edits in place, and sets. */
export class Turn<T> {
  #value: T | null | undefined;
  #hasEnded = false;

  constructor(value: T | undefined) {
    this.#value = value;
  }

  get value(): T | null | undefined {
    return this.#value;
  }

  set value(value: T | null | undefined) {
    if (this.#hasEnded) throw new StateSealedError();
    this.#value = value;
  }

  /** Ends the turn; `stored`: what is kept of it. */
  end(stored: T | null | undefined): void {
    this.#value = stored;
    this.#hasEnded = true;
  }
}

/**
 * Runs `work` as a turn; resolves to its result when the value is stored: removed when it is
 * `undefined` or `null`. Rejects with the error of `work`; with `ScopeMutationTimeoutError` after
 * too long a wait; and with `ExclusiveLostError` when the lease at the store was lost.
 */
export async function takeTurn<T, R>(
  values: KeptValues<T>,
  { key, initial, timeoutMs }: TurnStart<T>,
  work: (turn: Turn<T>) => R | Promise<R>,
): Promise<R> {
  const scope = await values.open(key);
  return scope.exclusive(
    async (held) => {
      const stored = await held.read();
      const isNew = !("value" in stored);
      // A stored value was a T when it was set, and a copy of it may be edited.
      const turn = new Turn(mutableCopy(isNew ? initial?.() : stored.value) as T | undefined);
      try {
        const result = await work(turn);
        const { value } = turn;
        if (value !== undefined && value !== null) await held.setState({ value });
        else if (!isNew) await held.delete();
        turn.end(held.state.value as T | undefined); // What is stored now is that value, frozen.
        return result;
      } finally {
        turn.end(turn.value); // Nothing changes when it has ended already.
      }
    },
    { timeoutMs },
  );
}
