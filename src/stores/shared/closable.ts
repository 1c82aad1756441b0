/** Counts running operations: a store closes after them and refuses later calls. */
import { StoreClosedError } from "../../../actors/errors.ts";

/** The open or closed state of one store object. */
export interface Closable {
  /** Throws `StoreClosedError` once `close` was called. */
  check(): void;
  /** Runs `work`; `close` waits for it. */
  run<T>(work: () => T | Promise<T>): Promise<T>;
  /**
   * Runs `work` that stores nothing. `close` does not wait for it: it rejects it with
   * `StoreClosedError`.
   */
  runUntilClosed<T>(work: () => Promise<T>): Promise<T>;
  /**
   * Refuses later calls, waits for running work, then calls `release`. Repeated calls share one
   * promise.
   */
  close(release: () => void | Promise<void>): Promise<void>;
}

/** Makes the closable of a store; `name` appears in the error. */
export function createGate(name: string): Closable {
  let running = 0;
  let closing: Promise<void> | undefined;
  let wake: (() => void) | undefined;
  const cancels = new Set<(error: StoreClosedError) => void>();

  const check = (): void => {
    if (closing !== undefined) throw new StoreClosedError(name);
  };
  const idle = (): Promise<void> =>
    running === 0
      ? Promise.resolve()
      : new Promise((resolve) => {
          wake = resolve;
        });

  return {
    check,
    async run(work) {
      if (closing !== undefined) throw new StoreClosedError(name);
      running += 1;
      try {
        return await work();
      } finally {
        running -= 1;
        if (running === 0) wake?.();
      }
    },
    async runUntilClosed(work) {
      check();
      let cancel: ((error: StoreClosedError) => void) | undefined;
      const closed = new Promise<never>((_resolve, reject) => {
        cancel = reject;
        cancels.add(reject);
      });
      try {
        return await Promise.race([work(), closed]);
      } finally {
        if (cancel !== undefined) cancels.delete(cancel);
      }
    },
    close(release) {
      for (const cancel of cancels) cancel(new StoreClosedError(name));
      closing ??= idle().then(release);
      return closing;
    },
  };
}
