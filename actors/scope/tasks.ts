/**
 * Exclusive tasks of one scope: delete, refresh, and the end of an expired state.
 *
 * Invariants
 *  W1  A task starts when everything submitted before it is confirmed. Nothing submitted after it
 *      starts before the task has ended or its call was cancelled.
 *  W2  A task whose call was cancelled changes nothing any more, except by a write that was under
 *      way: then the call rejects with `COMMIT_UNKNOWN` and the scope reads the store before it
 *      continues.
 *  W3  An expired state is ended once, at its version, by whatever comes first: a `delete`, or the
 *      adoption of a record that another process wrote.
 */
import { foundIn, readAnswer, readRecord } from "./save-answer.ts";
import { adopt, commitDeletion } from "./commit.ts";
import type { ScopeCore } from "./scope-core.ts";
import { CommitUnknownError, isHoldfastError, StoreContractError } from "../errors.ts";
import type { Call, ExclusiveTask } from "./mailbox.ts";
import { conflictError, isRefused, refusedAt, retry, type SaveStep } from "./retry.ts";
import type { PersistBridge, SaveResult } from "../protocol.ts";
import type { CasBudget } from "./options.ts";
import { SAVES, tracedSave } from "./trace.ts";

/** Reads the store and adopts its record. */
export function refreshWork(scope: ScopeCore): ExclusiveTask {
  return {
    reloads: true,
    task: async (call) => {
      const isWanted = (): boolean => !call.settled;
      // If the store fails, the read below rejects, too.
      if (!scope.stale) await endLife(scope, call).catch(() => undefined);
      await scope.reload(isWanted, true);
    },
  };
}

/**
 * Reads the store if it is known to have a newer version that has not been read meanwhile; ends the
 * state if it has expired.
 */
export function catchUpWork(scope: ScopeCore): ExclusiveTask {
  return { reloads: true, task: (call) => prepare(scope, call) };
}

/** Reads the store and adopts its record, if that is still wanted then. */
export async function readAgain(scope: ScopeCore, isWanted: () => boolean): Promise<void> {
  const load = scope.backing?.load?.bind(scope.backing);
  const found = load && (await readRecord(scope, { load }, "refresh"));
  if (!isWanted()) return;
  if (found !== undefined) adopt(scope, found);
  scope.stale = false;
}

/** Reads an unknown state and ends an expired one, so that a call may build on it. */
export async function prepare(scope: ScopeCore, waiting: Waiting): Promise<void> {
  if (scope.stale) await scope.reload(() => !waiting.settled);
  await endLife(scope, waiting);
}

/** The work that waits for the end of an expired state. */
export type Waiting = Pick<Call, "settled"> & Partial<Pick<Call, "onSettled">>;

/**
 * Ends an expired state, in the task of the work that would build on it; does nothing to another
 * state. Waits while another owner keeps the record. Rejects with what the store threw; the state
 * is then still expired (W3).
 */
export async function endLife(scope: ScopeCore, waiting: Waiting): Promise<void> {
  while (isOver(scope) && !waiting.settled) {
    const { version } = scope;
    const work = { unknown: false };
    const caller: Caller = {
      get settled() {
        return waiting.settled;
      },
      onSettled: (callback) =>
        waiting.onSettled?.(() => {
          scope.stale ||= work.unknown; // The removal that is under way may still count (W2).
          callback();
        }),
      resolve: () => undefined,
    };
    try {
      await new Deletion(scope, caller, work, "expire").run(NO_RETRY);
    } catch (error) {
      if (isHoldfastError(error, "COMMIT_UNKNOWN")) await scope.reload(() => !waiting.settled);
      else if (!isHoldfastError(error, "CONCURRENT_MODIFICATION")) throw error;
      // The scope has adopted the store's record; without a newer record the store failed.
      if (isOver(scope) && scope.version === version) throw error;
    }
  }
}

function isOver({ overdue }: ScopeCore): boolean {
  return overdue === true;
}

/** Removes the record and sets the initial state. */
export function deleteWork(scope: ScopeCore): ExclusiveTask {
  const work = {
    operation: "delete" as const,
    unknown: false,
    task: async (call: Call): Promise<boolean> => {
      const isDeleted = await new Deletion(scope, call, work).run();
      const isWanted = (): boolean => !call.settled;
      const end = isDeleted || call.settled ? null : scope.deletedNothing(isWanted);
      work.unknown = end !== null;
      await end;
      return isDeleted;
    },
  };
  return work;
}

/** One attempt; a conflict rejects, and a record that is kept is waited for. */
const NO_RETRY = { maxRetries: 0, escalate: false };

/** The call that a deletion serves. */
type Caller = Pick<Call, "settled" | "resolve"> &
  Partial<Pick<Call, "cause" | "options" | "trace" | "onSettled">>;

/** One deletion; `why` is passed to `noted`. */
class Deletion {
  readonly #scope: ScopeCore;
  readonly #caller: Caller;
  readonly #work: { unknown: boolean };
  readonly #why: "delete" | "expire";
  #deleted = false;
  #expected = 0;
  #attempts = 0;

  constructor(
    scope: ScopeCore,
    caller: Caller,
    work: { unknown: boolean },
    why: "delete" | "expire" = "delete",
  ) {
    this.#scope = scope;
    this.#caller = caller;
    this.#work = work;
    this.#why = why;
  }

  /** Resolves to whether there was something to delete. */
  async run(budget?: Partial<CasBudget>): Promise<boolean> {
    const { settings, exists, identity, bridge } = this.#scope;
    const look = (): Promise<void> => this.#scope.reload(() => !this.#caller.settled);
    if (!exists) await look(); // Another process may have written the record since.
    const stopped = new AbortController();
    this.#caller.onSettled?.(() => stopped.abort());
    const first = await this.#attempt();
    if (!isRefused(first)) return this.#deleted;
    const cas = { ...settings.cas, ...budget };
    const { signal } = stopped;
    const attempt = (): Promise<SaveStep> => this.#attempt();
    // One more attempt, on the store's record, under an exclusive lease.
    const lease = bridge?.exclusive?.bind(bridge);
    const exclusive =
      lease && (() => lease(() => look().then(attempt), { waitMs: Infinity, signal }));
    const last = await retry({ ...settings, cas, first, signal, attempt, exclusive });
    if (!isRefused(last)) return this.#deleted;
    const versions = { expectedVersion: this.#expected, actualVersion: this.#scope.version };
    throw conflictError(cas, versions, identity);
  }

  get #isWanted(): boolean {
    if (this.#caller.settled) return false;
    return this.#why === "delete" || isOver(this.#scope); // Else it was replaced (W3).
  }

  async #attempt(): Promise<SaveStep> {
    const { bridge, version, exists, identity, settings, initial } = this.#scope;
    // Without `load` a bridge may refuse to delete a record that is unknown here.
    const isBlind = bridge !== null && bridge.load === undefined && bridge.delete !== undefined;
    if (!this.#isWanted || !(exists || isBlind)) return "empty";
    this.#expected = version;
    if (bridge === null) return this.#done();
    const answer = readAnswer(await this.#written(removal(bridge, version, initial)));
    if (this.#caller.settled) return "empty"; // It was cancelled: the scope is stale (W2).
    if ("current" in answer) {
      settings.counters.conflicts += 1;
      const found = foundIn(answer);
      adopt(this.#scope, found);
      return refusedAt(version, found.version);
    }
    if (answer.received !== version + 1) {
      this.#scope.stale = true;
      const fields = { expected: version + 1, received: answer.received };
      throw new StoreContractError(fields, { scope: identity });
    }
    if (exists) return this.#done();
    adopt(this.#scope, { state: undefined, version: version + 1 }); // There was no record.
    return "empty";
  }

  /** The outcome is unknown exactly until the bridge returns its result. */
  async #written(remove: () => Promise<SaveResult<object>>): Promise<SaveResult<object>> {
    this.#work.unknown = true;
    this.#attempts += 1;
    try {
      return await (SAVES.hasSubscribers ? this.#traced(remove) : remove());
    } catch (cause) {
      if (!isHoldfastError(cause, "COMMIT_UNKNOWN")) throw cause;
      this.#scope.stale = true;
      throw new CommitUnknownError({ scope: this.#scope.identity, cause });
    } finally {
      this.#work.unknown = false;
    }
  }

  #traced(remove: () => Promise<SaveResult<object>>): Promise<SaveResult<object>> {
    const { trace } = this.#caller;
    const calls = trace == null ? [] : [trace.message];
    const known = { operation: this.#why, attempt: this.#attempts, calls };
    return tracedSave(this.#scope, known, remove);
  }

  #done(): SaveStep {
    this.#deleted = true;
    const { cause, options } = this.#caller;
    // The call resolves now, not after the release of an exclusive lease of the store.
    const settle = (): void => this.#caller.resolve(true);
    commitDeletion(this.#scope, this.#why, { cause, options, settle });
    return "saved";
  }
}

/** How a bridge removes a record; one without `delete` saves the initial state. */
function removal(
  bridge: PersistBridge<object>,
  version: number,
  initial: object,
): () => Promise<SaveResult<object>> {
  const remove = bridge.delete?.bind(bridge);
  if (remove !== undefined) return () => remove(version);
  const patches = [{ op: "replace", path: [], value: initial }] as const;
  const commit = { version: version + 1, patches, operations: ["delete"] as const };
  return () => bridge.save(initial, version, commit);
}
