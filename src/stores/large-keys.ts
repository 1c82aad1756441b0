/** Remembers which keys were last seen large, so that a store tries their patches first. */

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
