/**
 * Calls to a server that may be away for a while: what is worth repeating is repeated until a
 * deadline, and what cannot be known in the end is said to be unknown.
 *
 * Whoever repeats a write makes it idempotent first: each write carries an operation id that the
 * server remembers, so that a repeat of one that took effect answers as the first would have.
 *
 * Invariants
 *  R1  A call that was refused for good fails at once with its typed error.
 *  R2  A write fails with `CommitUnknownError` exactly when an attempt may have taken effect and no
 *      later one could find out; else with `StoreUnavailableError`, and then nothing took effect.
 *  R3  No attempt starts after the deadline.
 *  R4  The reason that is told is the last one the server or the network gave: that an attempt had
 *      no time left says nothing of them.
 */
import { performance } from "node:perf_hooks";
import { setTimeout, clearTimeout, setImmediate, clearImmediate } from "node:timers";
import { setTimeout as sleep } from "node:timers/promises";
import { MAX_TIMER_MS } from "../../../actors/time/clock.ts";
import { CommitUnknownError, StoreUnavailableError } from "../../../actors/errors.ts";
import { isAggregateError, isError } from "../../../actors/realm.ts";

/** An attempt ended before anything was sent, for want of time alone; a cause of `later`. */
export class OutOfTimeError extends Error {}

/**
 * What a failed attempt says. `refused`: it had no effect and will not have one. `later`: it had no
 * effect, the same may pass later. `unknown`: it may have taken effect.
 */
export type Verdict =
  | { readonly kind: "refused"; readonly error: Error }
  | { readonly kind: "later" | "unknown"; readonly cause: unknown };

/** How a server's calls are repeated. */
export interface RepeatSettings {
  /** How long a call is repeated; milliseconds. */
  readonly timeoutMs: number;
  /** The server in messages, without user and password. */
  readonly server: string;
  /** Reads what went wrong. */
  readonly judge: (error: unknown) => Verdict;
}

/** One attempt, which should end by `deadline` (of `performance.now()`); the first is 0. */
export type Attempt<T> = (deadline: number, attempt: number) => Promise<T>;

/** Runs calls; see the head of this file. */
export interface RetryUntil {
  /** A call without effect on what is stored. */
  read<T>(work: Attempt<T>): Promise<T>;
  /** An idempotent write. */
  write<T>(work: Attempt<T>): Promise<T>;
}

const PAUSES = { firstMs: 20, longestMs: 250 };

/** Makes the repeater of one server. */
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
        cause = tellingOf(cause, verdict);
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

/** Grows to its longest, and is random, so that many do not come back in step; milliseconds. */
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
      // What came while this process was busy is read before the wait is called over.
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

/** Which reason to tell after one more attempt; see R4. */
function tellingOf(before: unknown, verdict: Verdict): unknown {
  const found = verdict.kind === "refused" ? verdict.error : verdict.cause;
  return found instanceof OutOfTimeError ? (before ?? found) : found;
}

/** What an error says, on one line; one of several addresses that were tried says it for each. */
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
