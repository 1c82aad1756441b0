/**
 * Retries while other connections have the file locked.
 *
 * The libraries are synchronous: SQLite's own wait blocks the thread, so it is short, and the rest
 * of the wait is asynchronous. One operation at a time tries to lock; later ones wait with it and
 * follow in their order. So a locked file costs the thread one short wait per pause, however many
 * operations there are.
 */
import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { StoreUnavailableError } from "../../../actors/errors.ts";
import { isBusy, toStoreError } from "./driver.ts";

/** Runs an operation, retries it while the file is locked, and maps errors to the library's. */
export type Attempt = <T>(work: () => T) => Promise<T>;

/** How long SQLite blocks the thread for a lock: it tries at once, after 1 ms and after 2 more. */
export const LOCK_WAIT_MS = 3;
const PAUSE_MAX_MS = 4;

/** The file, the longest wait, and a hint for the error when it stays locked. */
export interface AttemptSettings {
  readonly path: string;
  readonly busyTimeoutMs: number;
  readonly hint?: () => string;
}

/** Makes the attempts of one kind of operation on the file at `path`. */
export function createAttempt({ path, busyTimeoutMs, hint }: AttemptSettings): Attempt {
  let pause: { readonly cause: unknown; readonly over: Promise<void> } | undefined;

  const startPause = (cause: unknown): { cause: unknown; over: Promise<void> } => {
    // Real time, not the injected clock: the other process uses real time. Random, so that two
    // processes do not retry together.
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
    // Also without time to wait: a refusal of an earlier operation is no result of a later one.
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
