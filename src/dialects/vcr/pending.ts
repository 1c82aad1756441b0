/** Calls under way, by space: what looks at all keys of a space waits for them. */
export class Pending {
  readonly #calls = new Map<string, Set<Promise<unknown>>>();

  /** Counts a call until it settles; gives it back. */
  track<T>(space: string, call: Promise<T>): Promise<T> {
    const calls = this.#calls.get(space) ?? new Set();
    this.#calls.set(space, calls.add(call));
    const ended = (): void => {
      calls.delete(call);
      if (calls.size === 0 && this.#calls.get(space) === calls) this.#calls.delete(space);
    };
    call.then(ended, ended);
    return call;
  }

  /** Resolves when every call of the space made before this one has settled, well or not. */
  async settled(space: string): Promise<void> {
    const calls = this.#calls.get(space);
    if (calls !== undefined) await Promise.allSettled(calls);
  }
}
