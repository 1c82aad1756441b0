/**
 * `once`: a mutation with a key takes effect at most once in its scope. The key and the answer are
 * extras of the state (`extras.ts`), so they are saved, adopted and dropped with the state.
 *
 * Invariants
 *  O1  A key is in the record exactly when the change that it named is: both are one save.
 *  O2  A mutation whose key is in the state it is given runs no code, writes nothing, and resolves
 *      to the answer found there. A key that another process has stored is found after the conflict
 *      or the verification that every call with a key ends with.
 *  O3  A throw is not recorded, nor is an answer of `false` without a change: a repeat tries again.
 *      A result without a change is recorded: it makes a version of its own. So does a change that
 *      has been answered and is none when it is made again.
 *  O4  The last `onceKept` keys are kept.
 *  O5  The first call resolves to the same frozen copy of its result as a repeat.
 */
import { copyIn } from "../state/copy.ts";
import type { DraftState } from "../state/draft-state.ts";
import { extrasOf, type Extras, type OnceEntry } from "../state/extras.ts";
import type { MutationContext } from "../protocol.ts";
import type { Mutation } from "./mutation.ts";
import { WrappedMutation } from "./wrapped-mutation.ts";

/** Most characters of a key. */
export const KEY_MAX = 128;

/** Checks a key; throws `TypeError` when it is no string, `RangeError` for a bad length. */
export function onceKey(key: unknown): string {
  if (typeof key !== "string") throw new TypeError(`once must be a string, received ${typeof key}`);
  if (key.length >= 1 && key.length <= KEY_MAX) return key;
  throw new RangeError(`once must have 1 to ${KEY_MAX} characters, received ${key.length}`);
}

/** The entry of a key in the extras of a state. */
export function onceEntry(extras: Extras | null, key: string): OnceEntry | undefined {
  return extras?.once?.find(([known]) => known === key);
}

/** A mutation with a key; see the head of this file. */
export class OnceMutation extends WrappedMutation {
  /** Also of kinds with local answers: a repeat must find what other processes stored (O2). */
  readonly verifies = true;
  readonly #key: string;
  readonly #kept: number;
  #found: OnceEntry | undefined;
  #answer: unknown;
  /** The call has resolved to the answer. */
  #isAnswered = false;

  constructor(inner: Mutation, key: string, kept: number) {
    super(inner);
    this.#key = key;
    this.#kept = kept;
  }

  override write(draft: DraftState, computed: unknown, version?: number): void {
    this.#found = onceEntry(draft.extras, this.#key);
    if (this.#found === undefined) super.write(draft, computed, version);
  }

  settle(draft: DraftState, computed: unknown): void {
    if (this.#found !== undefined) {
      [, this.#answer] = this.#found;
      return;
    }
    this.inner.settle?.(draft, computed);
    const changed = draft.changed || (this.#isAnswered && this.#answer === true);
    const answer = this.inner.answer === undefined ? changed : this.inner.answer(changed);
    this.#answer = answer;
    if (answer === false && !changed) return;
    this.#answer = copyIn(answer, "result", { depth: 2, scope: draft.scope });
    const entry: OnceEntry = Object.freeze([this.#key, this.#answer] as const);
    const entries = [...(draft.extras?.once ?? []), entry].slice(-this.#kept);
    draft.keep(Object.freeze({ ...draft.extras, once: Object.freeze(entries) }));
  }

  answer(): unknown {
    this.#isAnswered = true;
    return this.#answer;
  }

  protected override run(state: object, context: MutationContext): unknown {
    if (onceEntry(extrasOf(state), this.#key) !== undefined) return undefined; // `write` finds it.
    return super.run(state, context);
  }
}
