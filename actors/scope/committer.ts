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
 *      all of whose calls ran out of time is abandoned, and the scope marked stale if a write was
 *      in flight; a later result of the store for that save is ignored.
 *  B3  A save ends exactly once, and then the draft state is a confirmed state.
 *  B4  Versions of a confirmed batch are `expected + 1 … expected + k`, one per change, in order.
 *  B5  The patches of a confirmed batch's events lead, in order, from the state before it to the
 *      state after it; each alone is its own change, if it was recorded when it was made.
 *  B6  A sent save contains no change of a call that was cancelled before.
 *  B7  A batch without changes is verified instead of saved (R6): a version that moved is a
 *      conflict like any other. A verification writes nothing, so its outcome is never unknown.
 */
import { foundIn, gathers, readAnswer, verification } from "./save-answer.ts";
import type { Judged, Refusal, SentSave } from "./save-answer.ts";
import type { ScopeCore } from "./scope-core.ts";
import { CommitUnknownError, isHoldfastError, StoreContractError } from "../errors.ts";
import { adopt, confirm, refuse, type MakeError } from "./commit.ts";
import type { Call, Outcome } from "./mailbox.ts";
import { conflictError, isRefused, refusedAt, retry, type SaveStep } from "./retry.ts";
import type { CommitInfo, PersistBridge, SaveResult } from "../protocol.ts";
import { CommitBatch } from "./commit-batch.ts";
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

/** A batch with its save; see the head of this file. */
export class Save extends CommitBatch implements SentSave {
  /** The draft state at the start: a mutator that runs beside the save was given it. */
  given: object | null = null;
  expected = 0;
  info: CommitInfo | null = null;
  /** The outcome of a call that is cancelled now is unknown. */
  inFlight = false;
  readonly #scope: ScopeCore;
  readonly #port: SavePort;
  #stopped: MakeError | null = null;
  #over = false;
  #attempts = 0;
  /** The draft state is the store's; the changes of the batch are not yet applied to it. */
  #adopting = false;
  /** Ends the waits of its work: between its attempts, and for another owner of the record. */
  #giveUp: (() => void) | null = null;

  constructor(scope: ScopeCore, port: SavePort) {
    super(scope.draft.expose());
    this.#scope = scope;
    this.#port = port;
  }

  /** Saves the batch, from the first send to the last settled call; never throws. */
  start(): void {
    const { draft, settings, version } = this.#scope;
    this.given = draft.expose();
    if (this.needsReplay || this.changes === 0 || !gathers(this.#scope))
      return void this.#finish(() => this.#attempt());
    this.expected = version;
    this.#attempts += 1;
    try {
      if (settings.history) this.info = this.commit(this.#scope);
      this.inFlight = true;
      this.#scope.bridge.send(this.given, this);
    } catch (error) {
      this.failed(error);
    }
  }

  /** The result of a bridge that gathers, in the form of `readAnswer`. */
  answered(result: SaveResult<object>): void {
    try {
      const answer = result.ok ? { received: result.version } : result;
      const step = this.#judge(answer, this.expected + this.changes);
      if (step !== "saved") return void this.#finish(() => step);
    } catch (error) {
      return this.failed(error);
    }
    this.#end();
  }

  /** The save failed; a failure that comes too late changes nothing (B2). */
  failed(error: unknown): void {
    if (this.#over) return;
    this.inFlight = false;
    const { identity: scope } = this.#scope;
    const isUnknown = isHoldfastError(error, "COMMIT_UNKNOWN");
    this.#scope.stale ||= isUnknown;
    refuse(this.#scope, this, () =>
      isUnknown ? new CommitUnknownError({ scope, cause: error }) : error,
    );
    this.#end();
  }

  async #finish(attempt: () => SaveStep | Promise<SaveStep>): Promise<void> {
    try {
      const first = await attempt();
      if (isRefused(first)) await this.#resolve(first);
    } catch (error) {
      return this.failed(error);
    }
    this.#end();
  }

  /** The state that readers see; `null` when the draft state is the confirmed state. */
  get shown(): object | null {
    return this.#adopting ? null : this.base;
  }

  /** A request is in flight, or a call waits for one. */
  get isSaving(): boolean {
    return this.given !== null && (this.inFlight || !this.abandoned);
  }

  /** Abandons a save without waiting callers; returns the next deadline. */
  expire(now: number): number {
    if (this.given === null || this.#over || !this.abandoned) return Infinity;
    if (this.deadline > now) return this.deadline;
    if (this.inFlight) this.#scope.stale = true;
    if (!this.#adopting) this.#scope.draft.reset(this.base);
    this.#end();
    return Infinity;
  }

  /** Refuses the calls, unless the save is in flight. */
  stop(error: MakeError): void {
    this.#stopped = error;
    this.#giveUp?.();
    if (this.#adopting) this.base = this.#scope.draft.expose(); // A subscriber stops the scope.
    if (!this.inFlight) refuse(this.#scope, this, error);
    if (this.given === null) this.#end();
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
    const before = this.#giveUp;
    this.#giveUp = () => (before?.(), callback());
  }

  async #resolve(first: SaveStep): Promise<void> {
    if (this.settled) return; // By a subscriber, before there was a wait to end.
    const { settings, bridge, identity } = this.#scope;
    const waits = new AbortController();
    const { signal } = waits;
    this.onSettled(() => waits.abort());
    const attempt = (): Promise<SaveStep> => this.#attempt();
    const look = (): Promise<void> => this.#adopt(() => this.#scope.reload(() => !this.#over));
    const lease = bridge?.exclusive?.bind(bridge);
    const exclusive =
      lease && (() => lease(() => look().then(attempt), { waitMs: Infinity, signal }));
    const last = await retry({ ...settings, first, signal, attempt, exclusive });
    if (!isRefused(last)) return;
    const versions = { expectedVersion: this.expected, actualVersion: this.#scope.version };
    refuse(this.#scope, this, () => conflictError(settings.cas, versions, identity));
  }

  /** Sends (B6) or verifies (B7) what is not cancelled: no `await` between the check and that. */
  async #attempt(): Promise<SaveStep> {
    while (this.needsReplay && !this.settled) await this.#replay();
    const { bridge, draft, version, settings, identity } = this.#scope;
    if (this.settled || bridge === null) return "empty";
    this.expected = version;
    if (this.changes === 0) {
      const answer = this.needsVerification(settings)
        ? await verification(bridge, version, identity)
        : { received: version };
      return this.#judge(answer, version);
    }
    const commit = this.commit(this.#scope);
    this.inFlight = true;
    this.#attempts += 1;
    const result: unknown = await (SAVES.hasSubscribers
      ? this.#traced(bridge, commit)
      : bridge.save(draft.expose(), version, commit));
    return this.#judge(readAnswer(result), commit.version);
  }

  #traced(bridge: PersistBridge<object>, commit: CommitInfo): Promise<unknown> {
    const next = this.#scope.draft.expose();
    const known = { operation: "commit", attempt: this.#attempts, ...this.traced(next) };
    return tracedSave(this.#scope, known, () => bridge.save(next, this.expected, commit));
  }

  #judge(answer: Judged, expected: number): SaveStep | Promise<SaveStep> {
    if (this.#over) return "empty"; // Abandoned: the result is too late (B2).
    this.inFlight = false;
    if ("current" in answer) return this.#lost(answer);
    if (answer.received === expected) this.#confirm();
    else {
      const { identity: scope } = this.#scope;
      const fields = { expected, received: answer.received };
      this.#scope.stale = true;
      refuse(this.#scope, this, () => new StoreContractError(fields, { scope }));
    }
    return "saved";
  }

  async #lost(answer: Refusal): Promise<SaveStep> {
    this.#scope.settings.counters.conflicts += 1;
    const found = foundIn(answer);
    await this.#adopt(() => adopt(this.#scope, found));
    this.needsReplay = true; // All outcomes depend on a state that was replaced.
    if (this.#stopped === null) return refusedAt(this.expected, found.version);
    refuse(this.#scope, this, this.#stopped);
    return "empty";
  }

  /** Adopts the store's state; subscribers see that state at once. */
  async #adopt(go: () => void | Promise<void>): Promise<void> {
    if (this.#over) return;
    const { draft } = this.#scope;
    draft.reset(this.base);
    this.#adopting = true;
    try {
      await go();
    } finally {
      if (!this.#over) {
        this.base = draft.expose();
        this.isCurrent = true;
        this.#adopting = false;
      }
    }
  }

  /** Applies the calls of the batch again on its base. */
  async #replay(): Promise<void> {
    const calls = this.restart();
    this.#scope.draft.reset(this.base);
    for (const call of calls) {
      if (call.settled) continue;
      // The base may have expired since the batch began, or since it was read.
      if (this.changes === 0 && this.#scope.overdue === true)
        await this.#adopt(() => endLife(this.#scope, this));
      const outcome = await this.#port.rerun(call);
      if (outcome === null) continue;
      if (call.settled) this.needsReplay ||= outcome.changed;
      this.record(call, outcome);
    }
    for (const call of calls) call.stage = "joined";
  }

  /** The save is confirmed: version, settled calls and events, in order (B1, B4). */
  #confirm(): void {
    const scope = this.#scope;
    const { base: before, changes } = this;
    let { version } = scope;
    confirm(scope, { version: version + changes, exists: scope.exists || changes > 0 });
    this.base = scope.draft.expose();
    for (const call of this.calls) {
      call.trace?.set({ batchSize: Math.max(1, changes) });
      if (call.outcome?.error == null) call.resolve(call.outcome?.changed === true);
      else call.reject(call.outcome.error.thrown);
    }
    if (changes === 0) return;
    scope.settings.counters.mutations += changes;
    countSave(scope.settings.counters, changes);
    if (scope.listening)
      for (const [call, change] of this.changesSince(before)) {
        version += 1;
        scope.announce(call.mutation, change, call, version);
      }
    scope.committed(this.cause);
  }
}
