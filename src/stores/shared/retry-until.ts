/**
 * Calls to a server that may be unavailable for a while. Retryable failures are retried until a
 * deadline; an outcome that stays ambiguous is reported as unknown.
 *
 * The caller must make a write idempotent before it is retried: each write carries an operation id
 * that the server remembers, so that a repeat of one that took effect returns the first result.
 *
 * Invariants
 *  R1  A call that was refused for good fails at once with its typed error.
 *  R2  A write fails with `CommitUnknownError` exactly when an attempt may have taken effect and no
 *      later one could find out; else with `StoreUnavailableError`, and then nothing took effect.
 *  R3  No attempt starts after the deadline.
 *  R4  The reported reason is the last one from the server or the network. An attempt that had no
 *      time left gives no reason.
 */
import { performance } from "node:perf_hooks";
import { setTimeout, clearTimeout, setImmediate, clearImmediate } from "node:timers";
import { setTimeout as sleep } from "node:timers/promises";
import { MAX_TIMER_MS } from "../../../actors/time/clock.ts";
import { CommitUnknownError, StoreUnavailableError } from "../../../actors/errors.ts";
import { isAggregateError, isError } from "../../../actors/realm.ts";

/** An attempt ended before anything was sent, only for lack of time; a cause of `later`. */
export class OutOfTimeError extends Error {}

/**
 * What a failed attempt means. `refused`: it had no effect and never will. `later`: it had no
 * effect, and a retry may succeed. `unknown`: it may have taken effect.
 */
export type Verdict =
  | { readonly kind: "refused"; readonly error: Error }
  | { readonly kind: "later" | "unknown"; readonly cause: unknown };

/** How calls to a server are retried. */
export interface RepeatSettings {
  /** How long a call is retried; milliseconds. */
  readonly timeoutMs: number;
  /** The server in messages, without user and password. */
  readonly server: string;
  /** Classifies an error. */
  readonly judge: (error: unknown) => Verdict;
}

/** One attempt, which should end by `deadline` (of `performance.now()`); the first is 0. */
export type Attempt<T> = (deadline: number, attempt: number) => Promise<T>;

/** Runs calls; see the header of this file. */
export interface RetryUntil {
  /** A call without effect on what is stored. */
  read<T>(work: Attempt<T>): Promise<T>;
  /** An idempotent write. */
  write<T>(work: Attempt<T>): Promise<T>;
}

const PAUSES = { firstMs: 20, longestMs: 250 };

/** Makes the retrier of one server. */
export function createRepeat({ timeoutMs, server, judge }: RepeatSettings): RetryUntil {
  const run = async <T>(work: Attempt<T>, changes: boolean): Promise<T> => {
    const deadline = performance.now() + timeoutMs;
    let doubtful = false;
    let cause: unknown;
    for (let attempt = 0; ; attempt += 1) {
      const pause = pauseMs(attempt, PAUSES);
      try {
        return await work(deadline, attempt);
      } catch (error) {
        const verdict = judge(error);
        if (verdict.kind === "refused" && !doubtful) throw verdict.error;
        cause = reasonToReport(cause, verdict);
        doubtful ||= changes && verdict.kind === "unknown";
        const isOver = verdict.kind === "refused" || performance.now() + pause >= deadline;
        if (isOver && doubtful) throw new CommitUnknownError({ cause });
        if (isOver) throw awayFor(server, timeoutMs, cause);
      }
      await sleep(pause);
    }
  };
  return { read: (work) => run(work, false), write: (work) => run(work, true) };
}

/** Grows to a maximum, and is random, so that clients do not retry together; milliseconds. */
export function pauseMs(
  attempt: number,
  { firstMs, longestMs }: { readonly firstMs: number; readonly longestMs: number },
): number {
  const longest = Math.min(longestMs, firstMs * 2 ** Math.min(attempt, 10));
  return longest * (0.5 + Math.random() / 2);
}

/** The outcome of `work`, or a rejection with `late` when there is none at the deadline. */
export function within<T>(deadline: number, work: Promise<T>, late: () => Error): Promise<T> {
  return new Promise((resolve, reject) => {
    const ms = Math.min(Math.max(deadline - performance.now(), 0), MAX_TIMER_MS);
    let over: NodeJS.Immediate | undefined;
    const timer = setTimeout(() => {
      // Data that arrived while this process was busy is processed before the wait ends.
      over = setImmediate(() => reject(late()));
    }, ms);
    const end = (settle: () => void): void => {
      clearTimeout(timer);
      clearImmediate(over);
      settle();
    };
    work.then(
      (value) => end(() => resolve(value)),
      (error: unknown) => end(() => reject(error)),
    );
  });
}

/** The reason to report after one more attempt; see R4. */
function reasonToReport(before: unknown, verdict: Verdict): unknown {
  const found = verdict.kind === "refused" ? verdict.error : verdict.cause;
  return found instanceof OutOfTimeError ? (before ?? found) : found;
}

/** An error's message on one line; of an error of several addresses, one message for each. */
export function reasonOf(error: unknown): string {
  if (!isError(error)) return String(error);
  const { message } = error;
  if (message !== "" || !isAggregateError(error)) return message || error.name;
  return error.errors.map(reasonOf).join(", ");
}

function awayFor(server: string, timeoutMs: number, cause: unknown): StoreUnavailableError {
  return new StoreUnavailableError(
    `${server} did not serve a request for ${timeoutMs} ms (${reasonOf(cause)}); ` +
      "nothing of it took effect, try again when the server is back",
    { cause },
  );
}
