/**
 * Retries after a conflict: the budget, the waits between attempts and the escalation, as one
 * asynchronous loop. A first save is sent without it, so it costs nothing without a conflict.
 *
 *     conflict ──▶ wait 10/20/40 ms ──▶ attempt ──saved──▶ over
 *        ▲                                 │ conflict
 *        └──────────budget left────────────┤
 *                                          └─budget spent──▶ exclusive attempt ──▶ saved, givenUp
 *
 * A save that is refused although the record has the version it expected has met no other change:
 * another owner keeps the record. It waits for that owner, whatever the budget says.
 *
 * Invariants
 *  P1  At most `maxRetries + 1` saves, the first one included, plus one exclusive attempt when the
 *      port has one, and escalation is on or the last save met a record that is kept.
 *  P2  An attempt that throws is not repeated: its outcome may be unknown.
 *  P3  `stop` ends a wait at once, also one for the lease; an attempt under way is awaited, and
 *      none follows it.
 */
import { retryClock } from "../time/clock.ts";
import type { Counters } from "./counters.ts";
import type { CasBudget } from "./options.ts";
import type { Clock } from "../protocol.ts";

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

/** What the loop uses of the save that it repeats. */
export interface ConflictPort {
  readonly cas: CasBudget;
  readonly clock: Clock;
  readonly random: () => number;
  /** How the first save was refused; default `conflict`. */
  readonly first?: SaveStep;
  /** Where the exclusive attempt is counted, if anywhere. */
  readonly counters?: Counters;
  /** Computes the change again on the winner's state and saves it; `attempt` is 2 and up. */
  attempt(attempt: number): Promise<SaveStep>;
  /**
   * The same under an exclusive lease of the store; absent when the store has none. Waits for the
   * lease until the signal aborts: another process may be in a long exclusive section.
   */
  readonly exclusive?: ((attempt: number, signal: AbortSignal) => Promise<SaveStep>) | undefined;
}

/** How the retries ended; `failed` carries what an attempt threw. */
export type ConflictEnd =
  | { readonly kind: "saved" }
  | { readonly kind: "givenUp"; readonly attempts: number }
  | { readonly kind: "failed"; readonly error: unknown }
  | { readonly kind: "stopped" };

/** Retries under way. */
export interface ConflictWork {
  readonly end: Promise<ConflictEnd>;
  /** See P3. */
  stop(): void;
}

/** Above it a power of two is infinite, and infinity times 0 is NaN. */
const EXPONENT_MAX = 1_023;

/** How long to wait before each retry. */
export type Backoff = Pick<CasBudget, "baseDelayMs" | "maxDelayMs" | "jitter">;

/** Milliseconds to wait before retry `retry` (1, 2, …). */
export function backoffMs(rule: Backoff, retry: number, random: () => number): number {
  const { baseDelayMs, maxDelayMs, jitter } = rule;
  const wait = Math.min(maxDelayMs, baseDelayMs * 2 ** Math.min(retry - 1, EXPONENT_MAX));
  return jitter === "full" ? Math.floor(random() * wait) : wait;
}

/** Starts the retries after a first save that met a conflict. */
export function resolveConflict(port: ConflictPort): ConflictWork {
  const pause = new Pause(retryClock(port.clock));
  return { end: retryAll(port, pause), stop: () => pause.stop() };
}

async function retryAll(port: ConflictPort, pause: Pause): Promise<ConflictEnd> {
  const { cas, exclusive } = port;
  let attempts = 1;
  let last = port.first ?? "conflict";
  try {
    for (; attempts <= cas.maxRetries; attempts++) {
      await pause.wait(backoffMs(cas, attempts, port.random));
      if (pause.stopped) return { kind: "stopped" };
      last = await port.attempt(attempts + 1);
      if (!isRefused(last)) return { kind: "saved" };
    }
    const mayWait = cas.escalate || last === "kept";
    if (!mayWait || exclusive === undefined) return { kind: "givenUp", attempts };
    if (port.counters !== undefined) port.counters.escalations += 1;
    if (!isRefused(await exclusive(attempts, pause.signal))) return { kind: "saved" };
    return { kind: "givenUp", attempts };
  } catch (error) {
    return error === STOPPED ? { kind: "stopped" } : { kind: "failed", error };
  }
}

/** The reason with which `stop` ends the wait for a lease. */
const STOPPED = new Error("the retries were stopped");

/** Waits that `stop` ends, this one and all later ones. */
class Pause {
  readonly #lease = new AbortController();
  readonly #clock: Clock;
  #timer: unknown = null;
  #end: (() => void) | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get stopped(): boolean {
    return this.#lease.signal.aborted;
  }

  /** Ends the wait for a lease. */
  get signal(): AbortSignal {
    return this.#lease.signal;
  }

  wait(waitMs: number): Promise<void> {
    if (this.stopped) return Promise.resolve();
    return new Promise((resolve) => {
      this.#end = resolve;
      this.#timer = this.#clock.setTimeout(resolve, waitMs);
    });
  }

  stop(): void {
    this.#lease.abort(STOPPED);
    this.#clock.clearTimeout(this.#timer);
    this.#end?.();
  }
}
