/**
 * Scopes in memory that are behind the store, and the reads that bring them up to date.
 *
 * After a cut of the connection every scope in memory may be behind: 20,000 that begin to read in
 * one loop hold the process for a second. Marking them costs little and is done at once, by the
 * scope; the reads are begun here, a few at a time.
 *
 * Invariants
 *  P1  At most `READS_MAX` reads are begun and not over, however many scopes are behind.
 *  P2  Each scope that was added reads after that, unless something else read for it, it stopped,
 *      or what is stored cannot be read.
 *  P3  A scope reads for itself before it is used, and never waits for its place here.
 */

import { type ErrorCode, isHoldfastError } from "../../actors/errors.ts";
import type { ExclusiveTask } from "../../actors/scope/mailbox.ts";
import { outsideTurns } from "../../actors/scope/reentrancy.ts";
import type { ScopeCore } from "../../actors/scope/scope-core.ts";
import { catchUpWork } from "../../actors/scope/tasks.ts";

/** Scopes that read the store at once: what one batch of the store takes. */
export const READS_MAX = 256;

/** Why a scope could not read its store now, and may another time. */
const PASSING: ReadonlySet<string> = new Set<ErrorCode>([
  "COMMIT_UNKNOWN",
  "MAILBOX_FULL",
  "SCOPE_MUTATION_TIMEOUT",
  "STORE_UNAVAILABLE",
]);

/** Whether a scope that has read is to read once more, now or later. */
export type NextRead = "over" | "again" | "later";

/** The scope as its reader sees it. */
interface BehindScope extends ScopeCore {
  readonly stopped: boolean;
  submit(task: ExclusiveTask): Promise<boolean>;
}

/**
 * Reads the store if something newer was committed. A failure that does not pass is logged, and the
 * next mutation rejects with it.
 */
export async function readNewer(scope: BehindScope): Promise<NextRead> {
  try {
    await outsideTurns(() => scope.submit(catchUpWork(scope)));
  } catch (error) {
    if (isHoldfastError(error) && PASSING.has(error.code)) return "later";
    const { identity, settings } = scope;
    const fields = { scope: identity, error };
    if (!scope.stopped)
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

/** A scope that can be behind. */
export interface LateScope {
  /** It knows of something newer than what it has read. */
  readonly stale: boolean;
  /** Reads the store; says whether to do so again, now or later. Never rejects. */
  catchUp(): Promise<NextRead>;
}

/** The reads of the scopes of one runtime; see the head of this file. */
export class CatchUps {
  readonly #later: (callback: () => void) => void;
  readonly #waiting = new Set<LateScope>();
  readonly #reading = new Set<LateScope>();
  #stopped = false;

  /** `later` calls back when it is time to try the store again. */
  constructor(later: (callback: () => void) => void) {
    this.#later = later;
  }

  /** The scope reads as soon as there is room. */
  add(scope: LateScope): void {
    if (this.#stopped) return;
    this.#waiting.add(scope);
    if (this.#reading.size < READS_MAX) this.#begin();
  }

  /** Nothing more is read. */
  stop(): void {
    this.#stopped = true;
    this.#waiting.clear();
  }

  #begin(): void {
    for (const scope of this.#waiting) {
      if (this.#reading.size >= READS_MAX) return;
      if (this.#reading.has(scope)) continue; // What it reads may be too old: once more after that.
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
