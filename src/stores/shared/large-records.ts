/**
 * Large states are kept apart as a base and the patches since, which is appended to while its size
 * is under the base's: so a load reads at most twice the state, and a fold pays for itself.
 */

/** From this many characters of JSON on, a state is kept apart and changed by patches. */
export const APART_FROM_CHARS = 8192;
/** A log of this many patches is folded into a new base, so that a load stays bounded. */
export const LOG_COUNT_MAX = 1000;

/** True for the JSON of a state that is kept apart. */
export function isLarge(text: string | null | undefined): text is string {
  return typeof text === "string" && text.length >= APART_FROM_CHARS;
}

/** How many large keys are remembered; a forgotten one costs one look at its state. */
const LARGE_KEYS_MAX = 10_000;

/** Keys last seen large: their patches are tried before their state is asked for. */
export class LargeKeys {
  readonly #keys = new Set<string>();

  has(key: string): boolean {
    return this.#keys.has(key);
  }

  /** Forgets a key: the next write of it is looked at whole. */
  delete(key: string): void {
    this.#keys.delete(key);
  }

  add(key: string): void {
    if (this.#keys.has(key)) return;
    if (this.#keys.size >= LARGE_KEYS_MAX) {
      // A Set iterates in the order of insertion: the oldest goes.
      for (const oldest of this.#keys) {
        this.#keys.delete(oldest);
        break;
      }
    }
    this.#keys.add(key);
  }
}
