/**
 * One abort listener per signal, however many calls were given it: the platform warns of a leak
 * from the eleventh listener on.
 */

interface Watch {
  readonly callbacks: Set<() => void>;
  readonly listener: () => void;
}

const watches = new WeakMap<AbortSignal, Watch>();

/**
 * Calls `aborted` once when the signal aborts, in the order of the calls; the answer takes it back.
 * A signal that has aborted calls nothing. `aborted` must not throw.
 */
export function onAbort(signal: AbortSignal, aborted: () => void): () => void {
  const watch = watches.get(signal) ?? listenTo(signal);
  // A function of its own: the same `aborted` may be given twice.
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
    // A callback that was taken back by one before it is not in the set any more.
    for (const callback of callbacks) callback();
  };
  const watch: Watch = { callbacks, listener };
  watches.set(signal, watch);
  signal.addEventListener("abort", listener, { once: true });
  return watch;
}
