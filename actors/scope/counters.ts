/**
 * What the scopes of a runtime have done so far, as numbers that only grow. All scopes of a
 * runtime share one object; a scope of its own has one too, which is never read.
 *
 * Invariants
 *  N1  A count is added where its event is confirmed, and never taken back: a call that is computed
 *      again after a conflict counts once, when it is stored.
 */

/** Counts of a runtime since it was made. */
export interface Counters {
  /**
   * Changes made by calls: each call whose change is confirmed, `delete` included, and each scope
   * that a transaction changed. Calls that changed nothing, failed or were cancelled do not count,
   * nor do expiries and changes of other processes.
   */
  mutations: number;
  /**
   * Saves of a scope that its store has confirmed: of one change or of many together, deletions
   * included. Verifications, volatile scopes and the records of runs do not count.
   */
  commits: number;
  /** Those of `mutations` that were saved in one save with another one, all of them counted. */
  folded: number;
  /** Saves and verifications of a scope that found another version than expected, retries too. */
  conflicts: number;
  /** Conflicts that were taken to an exclusive lease of the store, after the last retry. */
  escalations: number;
  /**
   * Background writes of checkpoint scopes that failed, and resolved changes of theirs that could
   * not be repeated on the state of another process.
   */
  checkpointErrors: number;
  /** Loads, saves and verifications of a record, or of a transaction, that the store failed. */
  storeErrors: number;
}

/** Makes counters that stand at 0. */
export function newCounters(): Counters {
  return {
    mutations: 0,
    commits: 0,
    folded: 0,
    conflicts: 0,
    escalations: 0,
    checkpointErrors: 0,
    storeErrors: 0,
  };
}

/** Counts one confirmed save that contains `mutations` changes made by calls. */
export function countSave(counters: Counters, mutations: number): void {
  counters.commits += 1;
  if (mutations > 1) counters.folded += mutations;
}
