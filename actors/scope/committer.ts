/**
 * The save of one commit batch, from the first send until each of its calls is settled: what the
 * result of the store means for the batch, and what comes next.
 *
 *     send ──ok──▶ confirmed      send ──conflict──▶ adopt the winner's state ──▶ retry.ts ──▶ send
 *      └──no changes──▶ verify ──▶ as above           threw, or another version ──▶ refused
 *
 * Invariants
 *  B1  Calls of a batch are settled in order, after the save with their change is confirmed and
 *      before its events; each receives its own error object, except for what the store threw.
 *  B2  A call that is cancelled while its save is in flight rejects with `COMMIT_UNKNOWN`. A save
 *      all of whose calls ran out of time is abandoned and the scope marked stale; a later result
 *      of the store for that save is ignored.
 *  B3  A save ends exactly once, and then the draft state is a confirmed state.
 *  B4  Versions of a confirmed batch are `expected + 1 … expected + k`, one per change, in order.
 *  B5  The patches of a confirmed batch's events lead, in order, from the state before it to the
 *      state after it; each alone is its own change, if it was recorded when it was made.
 *  B6  A sent save contains no change of a call that was cancelled before.
 *  B7  A batch without changes is verified instead of saved (R6): a version that moved is a
 *      conflict like any other. A verification writes nothing, so its outcome is never unknown.
 */
import { foundIn, readAnswer, verification, type Refusal } from "./save-answer.ts";
import type { ScopeCore } from "./scope-core.ts";
import { CommitUnknownError, isHoldfastError, StoreContractError } from "../errors.ts";
import { adopt, confirm, refuse, type MakeError } from "./commit.ts";
import type { Call, Outcome } from "./mailbox.ts";
import { conflictError, isRefused, refusedAt, retry, type SaveStep } from "./retry.ts";
import type { CommitInfo, PersistBridge } from "../protocol.ts";
import type { CommitBatch } from "./commit-batch.ts";
import { countSave } from "./counters.ts";
import { endLife } from "./tasks.ts";
import { SAVES, tracedSave } from "./trace.ts";

/** What a save uses of the executor. */
export interface SavePort {
  /** Runs a call again on the present draft state; `null` when it was cancelled meanwhile. */
  rerun(call: Call): Promise<Outcome | null>;
  /** Called once, when the save is over. */
  saved(): void;
}

/** The save of one batch; see the head of this file. */
export class Save {
  readonly batch: CommitBatch;
  /** The draft state at the start: a mutator that runs beside the save was given it. */
  readonly given: object;
  readonly #scope: ScopeCore;
  readonly #port: SavePort;
  #inFlight = false;
  /** Ends the waits between its attempts. */
  #retries: AbortController | null = null;
  #stopped: MakeError | null = null;
  #over = false;
  #expected = 0;
  #attempts = 0;
  /** The draft state is the store's; the changes of the batch are not yet applied to it. */
  #adopting = false;
  /** Ends a wait for another owner of the record. */
  #giveUp: (() => void) | null = null;

  constructor(scope: ScopeCore, batch: CommitBatch, port: SavePort) {
    this.#scope = scope;
    this.batch = batch;
    this.given = scope.draft.expose();
    this.#port = port;
  }

  /** Saves the batch, from the first send to the last settled call; never rejects. */
  async start(): Promise<void> {
    try {
      const first = await this.#attempt();
      if (isRefused(first)) await this.#resolve(first);
    } catch (error) {
      if (!this.#over) this.#fail(error); // Else every call was settled (B2).
    }
    this.#end();
  }

  /** The state that readers see; `null` when the draft state is the confirmed state. */
  get shown(): object | null {
    return this.#adopting ? null : this.batch.base;
  }

  /** The outcome of a call that is cancelled now is unknown. */
  get inFlight(): boolean {
    return this.#inFlight;
  }

  /** A request is in flight, or a call waits for one. */
  get isUnderWay(): boolean {
    return this.#inFlight || !this.batch.abandoned;
  }

  /** Abandons a save without waiting callers; returns the next deadline. */
  expire(now: number): number {
    const { batch } = this;
    if (this.#over || !batch.abandoned) return Infinity;
    if (batch.deadline > now) return batch.deadline;
    if (this.#inFlight) this.#scope.stale = true;
    this.#scope.draft.reset(batch.base);
    this.#retries?.abort();
    this.#end();
    return Infinity;
  }

  /** Refuses the calls, unless the save is in flight. */
  stop(error: MakeError): void {
    this.#stopped = error;
    this.#retries?.abort();
    this.#giveUp?.();
    if (!this.#inFlight) refuse(this.#scope, this.batch, error);
  }

  #end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#giveUp?.();
    this.#port.saved();
  }

  /** Nothing waits for its work any more. */
  get settled(): boolean {
    return this.#over || this.#stopped !== null;
  }

  onSettled(callback: () => void): void {
    this.#giveUp = callback;
  }

  async #resolve(first: SaveStep): Promise<void> {
    if (this.settled) return; // By a subscriber, before there was a wait to end.
    const { settings, bridge, identity } = this.#scope;
    const { signal } = (this.#retries = new AbortController());
    const again = (): Promise<SaveStep> => {
      this.batch.needsReplay = true; // All outcomes depend on a state that was replaced.
      return this.#attempt();
    };
    const lookAndAgain = async (): Promise<SaveStep> => {
      await this.#adopt(() => this.#scope.reload(() => !this.#over));
      return again();
    };
    const lease = bridge?.exclusive?.bind(bridge);
    const exclusive = lease && (() => lease(lookAndAgain, { waitMs: Infinity, signal }));
    const last = await retry({ ...settings, first, signal, attempt: again, exclusive });
    if (!isRefused(last)) return;
    const versions = { expectedVersion: this.#expected, actualVersion: this.#scope.version };
    this.#refuse(() => conflictError(settings.cas, versions, identity));
  }

  /** Sends the batch without cancelled calls (B6): no `await` between the check and the send. */
  async #attempt(): Promise<SaveStep> {
    while (this.batch.needsReplay && !this.settled) await this.#replay();
    const { bridge, draft, version } = this.#scope;
    if (this.settled || bridge === null) return "empty";
    this.#expected = version;
    if (this.batch.changes === 0) return this.#verify(bridge);
    const commit = this.batch.commit(this.#scope);
    this.#inFlight = true;
    this.#attempts += 1;
    const result: unknown = await (SAVES.hasSubscribers
      ? this.#traced(bridge, commit)
      : bridge.save(draft.expose(), version, commit));
    return this.#judge(readAnswer(result), commit.version);
  }

  #traced(bridge: PersistBridge<object>, commit: CommitInfo): Promise<unknown> {
    const next = this.#scope.draft.expose();
    const known = { operation: "commit", attempt: this.#attempts, ...this.batch.traced(next) };
    return tracedSave(this.#scope, known, () => bridge.save(next, this.#expected, commit));
  }

  /** Verifies at the store that the base of the results is still current (B7). */
  async #verify(bridge: PersistBridge<object>): Promise<SaveStep> {
    const { identity, settings } = this.#scope;
    const version = this.#expected;
    if (!this.batch.needsVerification(settings)) return this.#judge({ received: version }, version);
    return this.#judge(await verification(bridge, version, identity), version);
  }

  #judge(
    answer: Refusal | { readonly received: unknown },
    expected: number,
  ): SaveStep | Promise<SaveStep> {
    if (this.#over) return "empty"; // Abandoned: the result is too late (B2).
    this.#inFlight = false;
    if ("current" in answer) return this.#lost(answer);
    if (answer.received === expected) this.#confirm();
    else this.#breach(expected, answer.received);
    return "saved";
  }

  async #lost(answer: Refusal): Promise<SaveStep> {
    this.#scope.settings.counters.conflicts += 1;
    const found = foundIn(answer);
    await this.#adopt(() => adopt(this.#scope, found));
    if (this.#stopped === null) return refusedAt(this.#expected, found.version);
    this.#refuse(this.#stopped);
    return "empty";
  }

  /** Adopts the store's state; subscribers see that state at once. */
  async #adopt(go: () => void | Promise<void>): Promise<void> {
    if (this.#over) return;
    const { draft } = this.#scope;
    draft.reset(this.batch.base);
    this.#adopting = true;
    try {
      await go();
    } finally {
      if (!this.#over) {
        this.batch.base = draft.expose();
        this.batch.isCurrent = true;
        this.#adopting = false;
      }
    }
  }

  /** Applies the calls of the batch again on its base. */
  async #replay(): Promise<void> {
    const { batch } = this;
    const calls = batch.restart();
    batch.replaying = true;
    this.#scope.draft.reset(batch.base);
    for (const call of calls) {
      if (call.settled) continue;
      if (batch.changes === 0) await this.#inTime();
      const outcome = await this.#port.rerun(call);
      if (outcome === null) continue;
      if (call.settled) batch.needsReplay ||= outcome.changed;
      batch.record(call, outcome);
    }
    batch.replaying = false;
  }

  /** The base may have expired since the batch began, or since the base was read. */
  async #inTime(): Promise<void> {
    if (this.#scope.overdue === true) await this.#adopt(() => endLife(this.#scope, this));
  }

  /** The save is confirmed: version, settled calls and events, in order (B1, B4). */
  #confirm(): void {
    const { batch } = this;
    const scope = this.#scope;
    const before = batch.base;
    let { version } = scope;
    const exists = scope.exists || batch.changes > 0; // Before a subscriber reads it.
    confirm(scope, { version: version + batch.changes, exists });
    batch.base = scope.draft.expose();
    for (const call of batch.calls) {
      call.trace?.set({ batchSize: Math.max(1, batch.changes) });
      if (call.outcome?.error == null) call.resolve(call.outcome?.changed === true);
      else call.reject(call.outcome.error.thrown);
    }
    if (batch.changes === 0) return;
    scope.settings.counters.mutations += batch.changes;
    countSave(scope.settings.counters, batch.changes);
    if (scope.listening)
      for (const [call, change] of batch.changesSince(before)) {
        version += 1;
        scope.announce(call.mutation, change, call, version);
      }
    scope.committed(batch.cause);
  }

  #refuse(error: MakeError): void {
    refuse(this.#scope, this.batch, error);
  }

  #fail(error: unknown): void {
    this.#inFlight = false;
    const { identity: scope } = this.#scope;
    if (!isHoldfastError(error, "COMMIT_UNKNOWN")) return this.#refuse(() => error);
    this.#scope.stale = true;
    this.#refuse(() => new CommitUnknownError({ scope, cause: error }));
  }

  #breach(expected: number, received: unknown): void {
    const { identity: scope } = this.#scope;
    this.#scope.stale = true;
    this.#refuse(() => new StoreContractError({ expected, received }, { scope }));
  }
}
