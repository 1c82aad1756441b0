/**
 * Reads the scopes in memory that are older than their records.
 *
 * After a cut of the connection every scope in memory may be stale: 20,000 reads in one tick block
 * the process for a second. A scope marks itself as stale at once, which is cheap; the reads start
 * here, a few at a time.
 *
 * Invariants
 *  P1  At most `READS_MAX` reads run, however many scopes are stale.
 *  P2  Each added scope is read after that, unless something else has read it, it stopped, or its
 *      record cannot be read.
 *  P3  A scope that is used reads for itself before, and never waits for the reads here.
 */

import { type ErrorCode, isHoldfastError } from "../../actors/errors.ts";
import type { ExclusiveTask } from "../../actors/scope/mailbox.ts";
import { outsideTurns } from "../../actors/scope/reentrancy.ts";
import type { ScopeCore } from "../../actors/scope/scope-core.ts";
import { catchUpWork } from "../../actors/scope/tasks.ts";

/** Most reads at the same time: one batch of the store. */
export const READS_MAX = 256;

/** Errors of a read that may succeed later. */
const PASSING: ReadonlySet<string> = new Set<ErrorCode>([
  "COMMIT_UNKNOWN",
  "MAILBOX_FULL",
  "SCOPE_MUTATION_TIMEOUT",
  "STORE_UNAVAILABLE",
]);

/** Whether a scope must read once more, now or later. */
export type NextRead = "over" | "again" | "later";

/** The scope as `readNewer` uses it. */
interface BehindScope extends ScopeCore {
  readonly stopped: boolean;
  submit(task: ExclusiveTask): Promise<boolean>;
}

/**
 * Reads the store if a newer version was committed. A permanent failure is logged, and the next
 * mutation rejects with it.
 */
export async function readNewer(scope: BehindScope): Promise<NextRead> {
  try {
    await outsideTurns(() => scope.submit(catchUpWork(scope)));
  } catch (error) {
    if (isHoldfastError(error) && PASSING.has(error.code)) return "later";
    const { identity, settings } = scope;
    const fields = { scope: identity, error };
    // A runtime that drains refuses this, also when the report came in a call that is let in.
    if (!scope.stopped && !isHoldfastError(error, "SCOPE_STOPPED"))
      settings.logger.error("a change of another process could not be read", fields);
    return "over";
  }
  return scope.stale ? "again" : "over";
}

/** A scope whose record can be erased. */
interface ErasableScope {
  readonly version: number;
  readonly backing: { forget(): void } | null;
  observed(version: number): void;
}

/** The record of a scope is erased, or may be: it reads, and whatever it finds counts. */
export function noticeErasure(scope: ErasableScope | undefined): void {
  scope?.backing?.forget();
  scope?.observed(scope.version + 1);
}

/** A scope that can be older than its record. */
export interface LateScope {
  /** True when the scope knows of a newer version than it has read. */
  readonly stale: boolean;
  /** Reads the store; resolves to whether to read again, now or later. Never rejects. */
  catchUp(): Promise<NextRead>;
}

/** The reads of the scopes of one runtime; see the head of this file. */
export class CatchUps {
  readonly #later: (callback: () => void) => void;
  readonly #waiting = new Set<LateScope>();
  readonly #reading = new Set<LateScope>();
  #stopped = false;

  /** `later` calls back when the store should be tried again. */
  constructor(later: (callback: () => void) => void) {
    this.#later = later;
  }

  /** Adds a scope; it is read as soon as P1 allows. */
  add(scope: LateScope): void {
    if (this.#stopped) return;
    this.#waiting.add(scope);
    if (this.#reading.size < READS_MAX) this.#begin();
  }

  /** Starts no further reads. */
  stop(): void {
    this.#stopped = true;
    this.#waiting.clear();
  }

  #begin(): void {
    for (const scope of this.#waiting) {
      if (this.#reading.size >= READS_MAX) return;
      if (this.#reading.has(scope)) continue; // Its read may be too old: read again later.
      this.#waiting.delete(scope);
      if (scope.stale) void this.#read(scope);
    }
  }

  async #read(scope: LateScope): Promise<void> {
    this.#reading.add(scope);
    const next = await scope.catchUp();
    this.#reading.delete(scope);
    if (next === "later") this.#later(() => this.add(scope));
    if (next === "again") this.#waiting.add(scope);
    this.#begin();
  }
}
