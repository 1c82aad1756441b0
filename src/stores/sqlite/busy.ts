/**
 * Trying again while other connections hold the file.
 *
 * The libraries are synchronous: SQLite's own waiting blocks the thread, so it is short, and the
 * rest of the wait is asynchronous. One operation at a time asks for the lock; those that come
 * meanwhile wait with it and follow in their order, so that a held lock costs the thread one short
 * wait per pause, however many operations there are.
 */
import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { StoreUnavailableError } from "../../../actors/errors.ts";
import { isBusy, toStoreError } from "./driver.ts";

/** Runs an operation, again while other connections hold what it needs, in the library's errors. */
export type Attempt = <T>(work: () => T) => Promise<T>;

/** How long SQLite itself blocks the thread for a lock: it asks at once, after 1 ms and 2 more. */
export const LOCK_WAIT_MS = 3;
const PAUSE_MAX_MS = 4;

/** Which file, for how long, and what else to say when it stays locked. */
export interface AttemptSettings {
  readonly path: string;
  readonly busyTimeoutMs: number;
  readonly hint?: () => string;
}

/** Makes the attempts of one kind of operation on the file at `path`. */
export function createAttempt({ path, busyTimeoutMs, hint }: AttemptSettings): Attempt {
  let pause: { readonly cause: unknown; readonly over: Promise<void> } | undefined;

  const startPause = (cause: unknown): { cause: unknown; over: Promise<void> } => {
    // Real time, not the injected clock: the other process lives in it. Random, so that two
    // processes do not keep step.
    const over = sleep(PAUSE_MAX_MS * Math.random()).then(() => {
      pause = undefined;
    });
    return { cause, over };
  };

  const busy = (cause: unknown): StoreUnavailableError => {
    const what = `other connections kept ${path} locked for ${busyTimeoutMs} ms; try again`;
    return new StoreUnavailableError(what + (hint?.() ?? ""), { cause });
  };

  return async (work) => {
    const deadline = performance.now() + busyTimeoutMs;
    // Also with no time to wait at all, an earlier refusal is not the answer to a later operation.
    if (pause !== undefined) await pause.over;
    for (;;) {
      if (pause === undefined) {
        try {
          return work();
        } catch (error) {
          if (!isBusy(error)) throw toStoreError(error, path);
          pause = startPause(error);
        }
      }
      if (performance.now() >= deadline) throw busy(pause.cause);
      await pause.over;
    }
  };
}
