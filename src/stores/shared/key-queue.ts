/** Runs work that shares a key one after another, and work on different keys at the same time. */

/** A queue per key. */
export interface KeyQueue {
  /** Runs `work` when everything queued earlier for any of `keys` has settled. */
  run<T>(keys: readonly string[], work: () => Promise<T>): Promise<T>;
}

/**
 * Makes an empty queue. Work is queued under all its keys at once, so two works never wait for each
 * other.
 */
export function createKeyQueue(): KeyQueue {
  const tails = new Map<string, Promise<void>>();

  return {
    async run(keys, work) {
      const earlier = keys.map((key) => tails.get(key) ?? Promise.resolve());
      const result = Promise.all(earlier).then(work);
      const tail = result.then(
        () => undefined,
        // The caller gets the failure; the next work only waits for the end.
        () => undefined,
      );
      for (const key of keys) tails.set(key, tail);
      try {
        return await result;
      } finally {
        for (const key of keys) {
          if (tails.get(key) === tail) tails.delete(key);
        }
      }
    },
  };
}

/** Runs `work` on every item, at most `limit` at a time; returns as `Promise.allSettled` does. */
export async function settleBounded<T, R>(
  items: readonly T[],
  limit: number,
  work: (item: T) => Promise<R>,
): Promise<PromiseSettledResult<R>[]> {
  const results: PromiseSettledResult<R>[] = [];
  const entries = items.entries();
  async function worker(): Promise<void> {
    // All workers share one iterator, so each item is processed once.
    for (const [index, item] of entries) {
      try {
        results[index] = { status: "fulfilled", value: await work(item) };
      } catch (reason) {
        results[index] = { status: "rejected", reason };
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
  return results;
}

/** Like `settleBounded`, but returns the values, or throws the first failure when all settled. */
export async function mapBounded<T, R>(
  items: readonly T[],
  limit: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const settled = await settleBounded(items, limit, work);
  return settled.map((result) => {
    if (result.status === "rejected") throw result.reason;
    return result.value;
  });
}
