/**
 * The `once` key of a transaction. One of its scopes keeps it: the first in the order of keys, of
 * those whose changes are stored when the transaction resolves, if there are any; else of those
 * that are stored at all. In the others it would be lost before their changes are.
 *
 * When only checkpoint scopes are stored, each of them is written alone, and makes its change again
 * on another writer's state. So each of the others keeps a mark of the key: its change takes effect
 * once, whichever of them are written before a crash, and in whichever order.
 */
import type { Mutation } from "../../../actors/scope/mutation.ts";
import { KEY_MAX, onceEntry, onceKey, OnceMutation } from "../../../actors/scope/once.ts";
import type { OnceEntry } from "../../../actors/state/extras.ts";
import type { ResidentScope } from "../resident-scope.ts";
import { changedPart, isDurable, type Part } from "./multi-scope-commit.ts";

/** The parts of a run, and what the transaction resolves to. */
export interface Answered {
  readonly parts: readonly Part[];
  readonly answer: unknown;
}

/** See the head of this file. */
export class TransactionKey {
  readonly #key: string;
  readonly keeper: ResidentScope | undefined;

  /** `scopes` in the order of keys. Throws `TypeError` or `RangeError` for a bad key. */
  constructor(key: unknown, scopes: readonly ResidentScope[]) {
    this.#key = onceKey(key);
    this.keeper =
      scopes.find(isDurable) ?? scopes.find(({ backing }) => backing !== null) ?? scopes[0];
  }

  /** The key and its answer, when the transaction has taken effect before. */
  get found(): OnceEntry | undefined {
    return onceEntry(this.keeper?.draft.extras ?? null, this.#key);
  }

  /**
   * The parts with the key and its marks, and with the answer in the keeper; unchanged parts whose
   * answer is `false` have no key. The states of the parts become `nexts`.
   */
  keep(
    made: readonly Part[],
    nexts: readonly object[],
    answerOf: (parts: readonly Part[]) => unknown,
  ): Answered {
    const parts = made.map((part, at) => this.#marked(part, nexts[at] ?? {}));
    const answer = answerOf(parts);
    const isKept = answer !== false || parts.some(({ outcome }) => outcome.changed);
    const own = parts.findIndex(({ scope }) => scope === this.keeper);
    const [part, next] = [parts[own], nexts[own]];
    if (!isKept || part === undefined || next === undefined) return { parts, answer };
    const keyed = this.#keyed(part, next, { key: this.#key, answer: () => answer });
    return { parts: parts.with(own, keyed.part), answer: keyed.answer };
  }

  /** The part of another scope, with its mark; unchanged when the scope has the mark already. */
  #marked(part: Part, next: object): Part {
    const { keeper } = this;
    const isKept = keeper === undefined || isDurable(keeper) || part.scope === keeper;
    if (isKept || part.entry === undefined || !part.outcome.changed) return part;
    // Longer than any key of a caller.
    const key = `${keeper.key} ${this.#key}`.padStart(KEY_MAX + 1);
    return this.#keyed(part, next, { key, answer: () => true }).part;
  }

  #keyed(
    { scope, mutation, entry, settle }: Part,
    next: object,
    { key, answer }: { readonly key: string; readonly answer: () => unknown },
  ): { readonly part: Part; readonly answer: unknown } {
    const keep = (work: Pick<Mutation, "write" | "compute">): OnceMutation =>
      new OnceMutation(
        { ...work, answer, ...(settle && { settle }), operation: "update" },
        key,
        scope.settings.onceKept,
      );
    const now = keep({ write: (draft, computed) => draft.adopt(computed as object) });
    const part = changedPart(scope, now, next);
    if (entry === undefined || mutation === null) return { part, answer: now.answer() };
    // Made again on another writer's state, it finds the key there, or records the same answer.
    const again = keep({
      compute: (state, context) => mutation.compute?.(state, context),
      write: (draft, computed) => mutation.write(draft, computed),
    });
    return { part: { ...part, mutation: again, entry }, answer: now.answer() };
  }
}
