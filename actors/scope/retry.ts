/**
 * Repeats an attempt to save that met another writer's change: the budget, the waits between the
 * attempts and the escalation, as one asynchronous loop. Batches, deletions, transactions,
 * bindings, timers and dialects use it. A batch sends its first save without it, so it costs
 * nothing without a conflict.
 *
 *     attempt ──conflict──▶ wait 10/20/40 ms ──▶ attempt ──saved──▶ over
 *                               ▲                   │ conflict
 *                               └────budget left────┤
 *                                                   └─budget spent──▶ exclusive attempt ──▶ over
 *
 * A save that is refused although the record has the version it expected has met no other change:
 * another owner keeps the record. It waits for that owner, whatever the budget says.
 *
 * Invariants
 *  P1  At most `maxRetries + 1` attempts, the first one included, plus one exclusive attempt when
 *      the port has one, and escalation is on or the last save met a record that is kept.
 *  P2  An attempt that throws is not repeated: its outcome may be unknown.
 *  P3  The signal ends a wait at once, also one for the lease; an attempt under way is awaited, and
 *      none follows it.
 */
import { ConcurrentModificationError } from "../errors.ts";
import { retryClock, systemClock } from "../time/clock.ts";
import { onAbort } from "./abort.ts";
import type { Counters } from "./counters.ts";
import { casBudget, type CasBudget } from "./options.ts";
import type { CasOptions, Clock, ScopeIdentity } from "../protocol.ts";

/**
 * How one save ended. `kept`: refused at the version that it expected, so another owner keeps the
 * record. `empty`: there was nothing to save any more.
 */
export type SaveStep = "saved" | "conflict" | "kept" | "empty";

/** True for a step that the store has refused. */
export function isRefused(step: SaveStep): boolean {
  return step === "conflict" || step === "kept";
}

/** The step of a save that expected one version and found another, or the same. */
export function refusedAt(expected: number, found: number): SaveStep {
  return expected === found ? "kept" : "conflict";
}

/** What is repeated, and how often. */
export interface RetryPort {
  readonly cas: CasBudget;
  readonly clock: Clock;
  readonly random: () => number;
  /** How the first attempt was refused; without it, that attempt is made here, too. */
  readonly first?: SaveStep;
  /** Where the exclusive attempt is counted, if anywhere. */
  readonly counters?: Counters;
  /** See P3. */
  readonly signal?: AbortSignal;
  /** Computes the change again on the winner's state and saves it; `attempt` is 1 and up. */
  attempt(attempt: number): Promise<SaveStep>;
  /**
   * The same under an exclusive lease of the store; absent when the store has none. Waits for the
   * lease until the signal aborts: another process may be in a long exclusive section.
   */
  readonly exclusive?: ((attempt: number) => Promise<SaveStep>) | undefined;
}

/** Above it a power of two is infinite, and infinity times 0 is NaN. */
const EXPONENT_MAX = 1_023;

/** How long to wait before each retry. */
export type Backoff = Pick<CasBudget, "baseDelayMs" | "maxDelayMs" | "jitter">;

/** Milliseconds to wait before retry `number` (1, 2, …). */
export function backoffMs(rule: Backoff, number: number, random: () => number): number {
  const { baseDelayMs, maxDelayMs, jitter } = rule;
  const wait = Math.min(maxDelayMs, baseDelayMs * 2 ** Math.min(number - 1, EXPONENT_MAX));
  return jitter === "full" ? Math.floor(random() * wait) : wait;
}

/**
 * Resolves to how the last attempt ended: refused when the budget is spent, `empty` when the signal
 * has ended a wait. Rejects with what an attempt threw.
 */
export async function retry(port: RetryPort): Promise<SaveStep> {
  const { cas, signal } = port;
  let last = port.first ?? (await port.attempt(1));
  for (let retries = 1; retries <= cas.maxRetries && isRefused(last); retries += 1) {
    await pause(port, backoffMs(cas, retries, port.random));
    if (signal?.aborted === true) return "empty";
    last = await port.attempt(retries + 1);
  }
  return isRefused(last) && (cas.escalate || last === "kept") ? escalated(port, last) : last;
}

/** The exclusive attempt. */
async function escalated(port: RetryPort, last: SaveStep): Promise<SaveStep> {
  const { cas, counters, exclusive, signal } = port;
  if (exclusive === undefined) return last;
  if (counters !== undefined) counters.escalations += 1;
  try {
    return await exclusive(cas.maxRetries + 2);
  } catch (error) {
    if (signal?.aborted === true && error === signal.reason) return "empty";
    throw error;
  }
}

async function pause({ clock, signal }: RetryPort, waitMs: number): Promise<void> {
  if (signal?.aborted === true) return;
  const timers = retryClock(clock);
  let unwatch: (() => void) | undefined;
  await new Promise<void>((resolve) => {
    const timer = timers.setTimeout(resolve, waitMs);
    const stop = (): void => {
      timers.clearTimeout(timer);
      resolve();
    };
    unwatch = signal && onAbort(signal, stop);
  });
  unwatch?.();
}

/** The error of a save whose retries are spent. */
export function conflictError(
  { maxRetries }: CasBudget,
  versions: { readonly expectedVersion: number; readonly actualVersion: number },
  scope?: ScopeIdentity,
): ConcurrentModificationError {
  const fields = { attempts: maxRetries + 1, ...versions };
  return new ConcurrentModificationError(fields, scope && { scope });
}

/** Retries of work that belongs to no scope: on the machine's own clock. */
export function ownRetries(cas: CasOptions): Pick<RetryPort, "cas" | "clock" | "random"> {
  return { cas: casBudget({ jitter: "full", ...cas }), clock: systemClock, random: Math.random };
}
