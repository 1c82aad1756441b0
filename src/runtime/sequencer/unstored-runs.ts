/**
 * Runs whose last write failed: their records are kept in memory, so that a resume in this process
 * repeats no step that is finished but not stored.
 *
 *  K1  A kept run is stored, on the version it builds on, before its record is read again. When
 *      another owner has continued it meanwhile, the stored record counts.
 *  K2  At most `UNSTORED_MAX` are kept; of the oldest one only the stored record remains.
 */
import { isHoldfastError } from "../../../actors/errors.ts";
import type { RunLog } from "./run-record.ts";

/** Most runs kept in memory that ended without being stored. */
const UNSTORED_MAX = 1_000;

/** The unstored runs of one runtime; see the head of this file. */
export class UnstoredRuns {
  readonly #logs = new Map<string, RunLog>();

  /** Keeps an ended run, unless it is stored or has another owner now. */
  keep(log: RunLog): void {
    if (log.clean || isHoldfastError(log.failure, "CONCURRENT_MODIFICATION")) return;
    this.#logs.set(log.identity.id, log);
    if (this.#logs.size <= UNSTORED_MAX) return;
    for (const oldest of this.#logs.keys()) {
      this.#logs.delete(oldest);
      break;
    }
  }

  /** Stores a kept run, so that it can be read. Rejects while the store is unavailable. */
  async settle(runId: string): Promise<void> {
    const log = this.#logs.get(runId);
    if (log === undefined) return;
    try {
      await log.flush();
    } catch (error) {
      if (!isHoldfastError(error, "CONCURRENT_MODIFICATION")) throw error;
    }
    this.#logs.delete(runId);
  }

  /** Tries to store every kept run; never rejects. */
  async flush(): Promise<void> {
    await Promise.allSettled([...this.#logs.values()].map((log) => log.flush()));
  }
}
