/**
 * Runs whose last write failed: what their steps did is kept in memory, so that no resume in this
 * process does again what the store has not learned of.
 *
 *  K1  A kept run is stored, on the version it builds on, before its record is read again; when
 *      another owner went on with it meanwhile, the store's record is the one.
 *  K2  At most `UNSTORED_MAX` are kept; of the one kept longest the stored record is what is left.
 */
import { isHoldfastError } from "../../../actors/errors.ts";
import type { RunLog } from "./run-record.ts";

/** Runs that ended without being stored, kept in memory. */
const UNSTORED_MAX = 1_000;

/** The unstored runs of one runtime; see the head of this file. */
export class UnstoredRuns {
  readonly #logs = new Map<string, RunLog>();

  /** Keeps an ended run, unless it is stored or belongs to another owner by now. */
  keep(log: RunLog): void {
    if (log.clean || isHoldfastError(log.failure, "CONCURRENT_MODIFICATION")) return;
    this.#logs.set(log.identity.id, log);
    if (this.#logs.size <= UNSTORED_MAX) return;
    for (const oldest of this.#logs.keys()) {
      this.#logs.delete(oldest);
      break;
    }
  }

  /** Stores what is kept of a run, so that it can be read. Rejects while the store is away. */
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
