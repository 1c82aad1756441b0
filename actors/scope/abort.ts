/**
 * One abort listener per signal, for any number of calls with that signal. The platform warns of a
 * leak from the eleventh listener on.
 */

interface Watch {
  readonly callbacks: Set<() => void>;
  readonly listener: () => void;
}

const watches = new WeakMap<AbortSignal, Watch>();

/**
 * Calls `aborted` once when the signal aborts, in the order of registration. The returned function
 * removes the callback. A signal that has aborted already calls nothing. `aborted` must not throw.
 */
export function onAbort(signal: AbortSignal, aborted: () => void): () => void {
  const watch = watches.get(signal) ?? listenTo(signal);
  // A new function: the same `aborted` may be given twice.
  const callback = (): void => aborted();
  watch.callbacks.add(callback);
  return () => {
    watch.callbacks.delete(callback);
    if (watch.callbacks.size > 0 || watches.get(signal) !== watch) return;
    watches.delete(signal);
    signal.removeEventListener("abort", watch.listener);
  };
}

function listenTo(signal: AbortSignal): Watch {
  const callbacks = new Set<() => void>();
  const listener = (): void => {
    watches.delete(signal);
    // A callback that an earlier one has removed is not in the set any more.
    for (const callback of callbacks) callback();
  };
  const watch: Watch = { callbacks, listener };
  watches.set(signal, watch);
  signal.addEventListener("abort", listener, { once: true });
  return watch;
}

/** Waits for `work`; rejects with the reason when the signal aborts before. */
export async function unlessAborted(
  work: Promise<void>,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (signal === undefined) return work;
  let unwatch: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    unwatch = onAbort(signal, () => reject(signal.reason));
  });
  try {
    signal.throwIfAborted();
    await Promise.race([work, aborted]);
  } finally {
    unwatch?.();
  }
}
