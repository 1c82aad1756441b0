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
 */
import { setTimeout as sleep } from "node:timers/promises";
import { CommitUnknownError, StoreUnavailableError } from "../../actors/errors.ts";

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

/** Runs calls; see the head of this file. */
export interface Repeat {
  /** A call without effect on what is stored. */
  read<T>(work: () => Promise<T>): Promise<T>;
  /** An idempotent write. */
  write<T>(work: () => Promise<T>): Promise<T>;
}

const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 250;

/** Makes the repeater of one server. */
export function createRepeat({ timeoutMs, server, judge }: RepeatSettings): Repeat {
  const run = async <T>(work: () => Promise<T>, changes: boolean): Promise<T> => {
    const deadline = performance.now() + timeoutMs;
    let doubtful = false;
    for (let attempt = 0; ; attempt += 1) {
      const pause = pauseMs(attempt);
      try {
        return await work();
      } catch (error) {
        const verdict = judge(error);
        if (verdict.kind === "refused" && !doubtful) throw verdict.error;
        const cause = verdict.kind === "refused" ? verdict.error : verdict.cause;
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

/** Grows to its longest, and is random, so that many do not come back in step. */
function pauseMs(attempt: number): number {
  const longest = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(attempt, 10));
  return longest * (0.5 + Math.random() / 2);
}

function awayFor(server: string, timeoutMs: number, cause: unknown): StoreUnavailableError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new StoreUnavailableError(
    `${server} did not serve a request for ${timeoutMs} ms (${reason}); ` +
      "nothing of it took effect, try again when the server is back",
    { cause },
  );
}
