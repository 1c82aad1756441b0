/**
 * The saver of a busy durable scope: it owns the open round and brings it to the store.
 *
 * First save → confirmed, or a conflict (the machine of `retry.ts` takes over), or a throw. It
 * decides what each caller of the round is told; when to save is the dispatcher's business.
 *
 * Invariants
 *  B1  Callers of a round are answered in order, after the save that holds their change is
 *      confirmed and before anybody hears of it; each gets its own error object, except for what
 *      the store threw.
 *  B2  A save in flight is never forgotten silently: a caller who leaves meanwhile is told
 *      `COMMIT_UNKNOWN`, and a round all of whose callers ran out of time is given up with the
 *      scope marked stale. The late answer of a round given up is ignored.
 *  B3  After `save` resolves there is no round, and the head holds a confirmed state.
 *  B4  Versions of a confirmed round are `expected + 1 … expected + k`, one per change, in order.
 *  B5  The patches of a confirmed round's events lead, in order, from the state before it to the
 *      state after it; each alone is its own change, if somebody was listening when it was made.
 *  B6  What is sent holds no change of a caller who left before it was sent.
 *  B7  A round without changes is verified in place of being saved (R6): a version that moved is a
 *      conflict like any other. A verification writes nothing, so its outcome is never unknown.
 */
import { foundIn, readAnswer, verification, type Refusal } from "./save-answer.ts";
import type { ScopeCell } from "./scope-core.ts";
import {
  CommitUnknownError,
  ConcurrentModificationError,
  isHoldfastError,
  StoreContractError,
} from "../errors.ts";
import type { Entry, Outcome } from "./mailbox.ts";
import { resolveConflict, type ConflictEnd, type ConflictWork, type SaveStep } from "./retry.ts";
import type { PersistBridge } from "../protocol.ts";
import { Round } from "./commit-batch.ts";
import { endLife } from "./exclusive.ts";

/** Runs an entry again on the present head; `null` when its caller left meanwhile. */
export type Rerun = (entry: Entry) => Promise<Outcome | null>;

type MakeError = () => unknown;

/** Brings rounds to the store; see the head of this file. */
export class Saver {
  readonly #cell: ScopeCell;
  readonly #rerun: Rerun;
  #round: Round | null = null;
  #inFlight = false;
  #conflict: ConflictWork | null = null;
  /** Ends `save` early; `null` while nothing is being saved. */
  #abandon: (() => void) | null = null;
  #stopped: MakeError | null = null;
  #expected = 0;
  /** The head holds the store's state, not yet the round's changes. */
  #headConfirmed = false;

  constructor(cell: ScopeCell, rerun: Rerun) {
    this.#cell = cell;
    this.#rerun = rerun;
  }

  /** The round being gathered or saved. */
  get round(): Round | null {
    return this.#round;
  }

  /** What readers see; `null` when the head is the confirmed state. */
  get confirmed(): object | null {
    return this.#headConfirmed ? null : (this.#round?.base ?? null);
  }

  /** The open round; opens one on the confirmed state, before its first entry is applied. */
  open(): Round {
    this.#round ??= new Round(this.#cell.head.expose());
    return this.#round;
  }

  /** Forgets a round nobody joined. */
  dropEmpty(): void {
    if (this.#round !== null && this.#round.entries.length === 0) this.#round = null;
  }

  /** Saves the round and answers its callers; never rejects. */
  save(): Promise<void> {
    return new Promise((resolve) => {
      const round = this.#round;
      if (round === null) return resolve();
      this.#abandon = resolve;
      void this.#bring(round).then(() => {
        if (this.#abandon === resolve) this.#forget(); // Else it was given up, and others go on.
      });
    });
  }

  /** A caller of the round no longer waits. */
  leave(entry: Entry, reason: unknown): void {
    if (this.#inFlight)
      return entry.reject(new CommitUnknownError({ scope: this.#cell.identity, cause: reason }));
    entry.reject(reason);
    if (this.#round !== null && entry.outcome?.changed === true) this.#round.spoiled = true;
    entry.turn?.lose(reason);
  }

  /** Gives up a save nobody waits for any more; answers when to look again. */
  expire(now: number): number {
    const round = this.#round;
    if (round === null || this.#abandon === null || !round.deserted) return Infinity;
    if (round.deadline > now) return round.deadline;
    if (this.#inFlight) this.#cell.stale = true;
    this.#cell.head.reset(round.base);
    this.#conflict?.stop();
    this.#forget();
    return Infinity;
  }

  /** Refuses the callers of a round that is not in flight. */
  stop(error: MakeError): void {
    this.#stopped = error;
    this.#conflict?.stop();
    if (this.#round === null || this.#inFlight) return;
    this.#refuse(this.#round, error);
    if (this.#abandon === null) this.#round = null;
  }

  #forget(): void {
    const abandon = this.#abandon;
    this.#abandon = null;
    this.#round = null;
    this.#inFlight = false;
    this.#headConfirmed = false;
    abandon?.();
  }

  /** Everything between the first save and the last answer; settles all callers of the round. */
  async #bring(round: Round): Promise<void> {
    try {
      if ((await this.#attempt(round)) !== "conflict") return;
      const end = await this.#resolve(round);
      if (end.kind === "failed") throw end.error;
      if (end.kind === "givenUp") this.#giveUp(round, end.attempts);
    } catch (error) {
      if (this.#round === round) this.#fail(round, error); // Else everybody was told (B2).
    }
  }

  async #resolve(round: Round): Promise<ConflictEnd> {
    const { settings, bridge } = this.#cell;
    const again = (): Promise<SaveStep> => {
      round.spoiled = true; // All of it has to be worked out on the winner's state.
      return this.#attempt(round);
    };
    const exclusive = bridge?.exclusive?.bind(bridge);
    const work = resolveConflict({
      ...settings,
      attempt: again,
      exclusive:
        exclusive === undefined
          ? undefined
          : () =>
              exclusive(async () => {
                await this.#takeOver(round, () => this.#cell.reload(() => this.#round === round));
                return again();
              }),
    });
    this.#conflict = work;
    const end = await work.end;
    if (this.#conflict === work) this.#conflict = null;
    return end;
  }

  /** Sends the round, without who left (B6): nothing is awaited between the look and the save. */
  async #attempt(round: Round): Promise<SaveStep> {
    while (round.spoiled && this.#isWanted(round)) await this.#rework(round);
    return this.#send(round);
  }

  #isWanted(round: Round): boolean {
    return this.#round === round && this.#stopped === null;
  }

  async #send(round: Round): Promise<SaveStep> {
    const { bridge, head, version } = this.#cell;
    if (!this.#isWanted(round) || bridge === null) return "empty";
    if (round.changes === 0) return this.#verify(round, bridge);
    const commit = round.commit(version);
    this.#expected = version;
    this.#inFlight = true;
    const result: unknown = await bridge.save(head.expose(), version, commit);
    if (this.#round !== round) return "empty"; // Given up: the answer comes too late (B2).
    this.#inFlight = false;
    const answer = readAnswer(result);
    if ("current" in answer) return this.#conflicted(round, answer);
    if (answer.received !== commit.version) this.#breach(round, commit.version, answer.received);
    else this.#confirm(round);
    return "saved";
  }

  /** Asks the store whether the state on which the results rest is still current (B7). */
  async #verify(round: Round, bridge: PersistBridge<object>): Promise<SaveStep> {
    const { identity, settings, version } = this.#cell;
    this.#expected = version;
    const answer = round.needsVerification(settings)
      ? await verification(bridge, version, identity)
      : { received: version };
    if (this.#round !== round) return "empty"; // Given up: the answer comes too late (B2).
    if ("current" in answer) return this.#conflicted(round, answer);
    if (answer.received === version) this.#confirm(round);
    else this.#breach(round, version, answer.received);
    return "saved";
  }

  async #conflicted(round: Round, found: Refusal): Promise<SaveStep> {
    await this.#takeOver(round, () => this.#cell.take(foundIn(found)));
    if (this.#stopped === null) return "conflict";
    this.#refuse(round, this.#stopped);
    return "empty";
  }

  /** Lets the scope go to the store's state; whoever hears of it sees that state at once. */
  async #takeOver(round: Round, take: () => void | Promise<void>): Promise<void> {
    if (this.#round !== round) return;
    const { head } = this.#cell;
    head.reset(round.base);
    this.#headConfirmed = true;
    try {
      await take();
    } finally {
      if (this.#round === round) {
        round.base = head.expose();
        round.isCurrent = true;
        this.#headConfirmed = false;
      }
    }
  }

  /** Applies the round's entries again on its base. */
  async #rework(round: Round): Promise<void> {
    const entries = round.restart();
    this.#cell.head.reset(round.base);
    for (const entry of entries) {
      if (entry.settled) continue;
      if (round.changes === 0) await this.#inTime(round);
      const outcome = await this.#rerun(entry);
      if (outcome === null) continue;
      if (entry.settled) round.spoiled ||= outcome.changed;
      round.record(entry, outcome);
    }
    round.reworking = false;
  }

  /** The base may have come to its end since the round began, or since it was found. */
  async #inTime(round: Round): Promise<void> {
    if (this.#cell.overdue !== true) return;
    await this.#takeOver(round, () => endLife(this.#cell, () => this.#round === round));
  }

  /** The save is confirmed: versions, answers and events, in order (B1, B4). */
  #confirm(round: Round): void {
    const cell = this.#cell;
    const { version } = cell;
    const before = round.base;
    cell.version += round.changes;
    cell.exists ||= round.changes > 0; // Before a listener looks.
    round.base = cell.head.expose();
    for (const entry of round.entries) {
      if (entry.outcome?.error == null) entry.resolve(entry.outcome?.changed === true);
      else entry.reject(entry.outcome.error.thrown);
    }
    if (round.changes === 0) return;
    let announced = version;
    if (cell.listening)
      for (const [entry, change] of round.changesSince(before))
        cell.announce(entry, change, ++announced);
    cell.committed(true, round.cause);
  }

  #refuse(round: Round, error: MakeError): void {
    this.#cell.head.reset(round.base);
    for (const entry of round.entries) if (!entry.settled) entry.reject(error());
  }

  #fail(round: Round, error: unknown): void {
    this.#inFlight = false;
    const { identity: scope } = this.#cell;
    if (!isHoldfastError(error, "COMMIT_UNKNOWN")) return this.#refuse(round, () => error);
    this.#cell.stale = true;
    this.#refuse(round, () => new CommitUnknownError({ scope, cause: error }));
  }

  #breach(round: Round, expected: number, received: unknown): void {
    const { identity: scope } = this.#cell;
    this.#cell.stale = true;
    this.#refuse(round, () => new StoreContractError({ expected, received }, { scope }));
  }

  #giveUp(round: Round, attempts: number): void {
    const { identity: scope, version: actualVersion } = this.#cell;
    const fields = { attempts, expectedVersion: this.#expected, actualVersion };
    this.#refuse(round, () => new ConcurrentModificationError(fields, { scope }));
  }
}
