/** Pending calls, by space: work on all keys of a space waits for them. */
export class Pending {
  readonly #calls = new Map<string, Set<Promise<unknown>>>();

  /** Counts a call until it settles; returns it. */
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

  /** Resolves when every earlier call of the space has settled, resolved or rejected. */
  async settled(space: string): Promise<void> {
    const calls = this.#calls.get(space);
    if (calls !== undefined) await Promise.allSettled(calls);
  }
}
