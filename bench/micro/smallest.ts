/**
 * The bound of K4: the least code that keeps what a scope promises of `incState`. Its argument is
 * checked and copied, its state is frozen once it was read and copied before the next write, and
 * the call resolves to whether it changed anything.
 */

type Fields = Record<string, number>;

const CHANGED = Promise.resolve(true);
const UNCHANGED = Promise.resolve(false);

/** A counter with an identity, a version and a state, and nothing that can wait. */
export class SmallestScope {
  readonly identity: { readonly type: string; readonly id: string };
  version = 0;
  #state: Fields;
  /** The state was not read since its last copy. */
  #isOwned = false;

  constructor(type: string, id: string, initial: Readonly<Fields>) {
    this.identity = Object.freeze({ type, id });
    this.#state = Object.freeze({ ...initial });
  }

  /** The state, frozen. */
  get state(): Readonly<Fields> {
    this.#isOwned = false;
    return Object.freeze(this.#state);
  }

  /** Adds to fields; a missing one starts at 0. */
  incState(increments: Readonly<Fields>): Promise<boolean> {
    const given: Record<string, unknown> = { ...increments };
    let isChange = false;
    for (const field in given) {
      const current = Object.hasOwn(this.#state, field) ? this.#state[field] : 0;
      if (typeof given[field] !== "number" || typeof current !== "number")
        return Promise.reject(new TypeError(`${field} is no number`));
      isChange ||= given[field] !== 0;
    }
    if (!isChange) return UNCHANGED;
    if (!this.#isOwned) this.#state = { ...this.#state };
    this.#isOwned = true;
    for (const field in increments)
      this.#state[field] = (this.#state[field] ?? 0) + (increments[field] ?? 0);
    this.version += 1;
    return CHANGED;
  }
}
