/**
 * The saver of a busy durable scope: it owns the open round and brings it to the store.
 *
 * First save → confirmed, or a conflict (the machine of `persist.ts` takes over), or a throw. It
 * decides what each caller of the round is told; when to save is the dispatcher's business.
 *
 * Invariants
 *  B1  Callers of a round are answered in order, after the save that holds their change is
 *      confirmed, and each gets its own error object.
 *  B2  A save in flight is never forgotten silently: a caller who leaves meanwhile is told
 *      `COMMIT_UNKNOWN`, and a round all of whose callers ran out of time is given up with the
 *      scope marked stale. The late answer of a round given up is ignored.
 *  B3  After `save` resolves there is no round, and the head holds a confirmed state.
 *  B4  Versions of a confirmed round are `expected + 1 … expected + k`, one per change, in order.
 */
import {
  CommitUnknownError,
  ConcurrentModificationError,
  isHoldfastError,
  StoreContractError,
} from "./errors.ts";
import type { ScopeCell } from "./cell.ts";
import type { Entry, Outcome } from "./mailbox.ts";
import { resolveConflict, type ConflictEnd, type ConflictWork, type SaveStep } from "./persist.ts";
import { Round } from "./round.ts";

/** Runs an entry again on the present head; `null` when its caller left meanwhile. */
export type Rerun = (entry: Entry, attempt: number) => Promise<Outcome | null>;

/** Brings rounds to the store; see the head of this file. */
export class Saver {
  readonly #cell: ScopeCell;
  readonly #rerun: Rerun;
  #round: Round | null = null;
  #inFlight = false;
  #conflict: ConflictWork | null = null;
  #abandon: (() => void) | null = null;
  #stopped = false;
  #expected = 0;

  constructor(cell: ScopeCell, rerun: Rerun) {
    this.#cell = cell;
    this.#rerun = rerun;
  }

  /** The round being gathered or saved. */
  get round(): Round | null {
    return this.#round;
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
  async save(): Promise<void> {
    const round = this.#round;
    if (round === null) return;
    const abandoned = new Promise<"abandoned">((resolve) => {
      this.#abandon = () => resolve("abandoned");
    });
    const end = await Promise.race([this.#bring(round), abandoned]);
    this.#abandon = null;
    if (end === "abandoned") {
      this.#cell.stale = true;
      this.#cell.head.reset(round.base);
    }
    this.#inFlight = false;
    this.#round = null;
  }

  /** A caller of the round no longer waits. */
  leave(entry: Entry, reason: unknown): void {
    if (this.#inFlight)
      return entry.reject(new CommitUnknownError({ scope: this.#cell.identity, cause: reason }));
    entry.reject(reason);
    entry.turn?.lose(reason);
    if (this.#round !== null && entry.outcome?.changed === true) this.#round.spoiled = true;
  }

  /** Gives up a save nobody waits for any more; answers when to look again. */
  expire(now: number): number {
    const round = this.#round;
    if (round === null || !this.#inFlight || !round.deserted) return Infinity;
    if (round.deadline > now) return round.deadline;
    this.#abandon?.();
    return Infinity;
  }

  /** Refuses the callers of a round that is not in flight. */
  stop(error: () => unknown): void {
    this.#stopped = true;
    this.#conflict?.stop();
    if (this.#round === null || this.#inFlight) return;
    this.#fail(this.#round, error);
    if (this.#conflict === null) this.#round = null;
  }

  /** Everything between the first save and the last answer; settles all callers of the round. */
  async #bring(round: Round): Promise<void> {
    try {
      if (round.spoiled) await this.#rework(round, 1);
      if ((await this.#send(round)) !== "conflict") return;
      const end = await this.#resolve(round);
      if (end.kind === "failed") throw end.error;
      if (end.kind === "givenUp") this.#giveUp(round, end.attempts);
    } catch (error) {
      if (this.#round !== round) return; // Given up meanwhile: everybody was told (B2).
      if (isHoldfastError(error, "COMMIT_UNKNOWN")) {
        this.#cell.stale = true;
        const { identity } = this.#cell;
        this.#fail(round, () => new CommitUnknownError({ scope: identity, cause: error }));
      } else this.#fail(round, () => error);
    }
  }

  async #resolve(round: Round): Promise<ConflictEnd> {
    const { settings, bridge } = this.#cell;
    const attempt = async (count: number): Promise<SaveStep> => {
      await this.#rework(round, count);
      return this.#send(round);
    };
    const exclusive = bridge?.exclusive?.bind(bridge);
    this.#conflict = resolveConflict({
      ...settings,
      attempt,
      exclusive:
        exclusive === undefined
          ? undefined
          : (count) =>
              exclusive(async () => {
                await this.#cell.reload(() => this.#round === round);
                round.base = this.#cell.head.expose();
                return attempt(count);
              }),
    });
    const end = await this.#conflict.end;
    this.#conflict = null;
    return end;
  }

  async #send(round: Round): Promise<SaveStep> {
    const { bridge, head, version } = this.#cell;
    if (this.#stopped || bridge === null) return "empty";
    if (round.changes === 0) {
      this.#confirm(round);
      return "empty";
    }
    const commit = round.commit(version);
    this.#expected = version;
    this.#inFlight = true;
    const result = await bridge.save(head.expose(), version, commit);
    if (this.#round !== round) return "empty"; // Given up: the answer comes too late (B2).
    this.#inFlight = false;
    if (!result.ok) {
      this.#cell.adopt(result);
      round.base = head.expose();
      return "conflict";
    }
    if (result.version !== commit.version) {
      this.#cell.stale = true;
      const fields = { expected: commit.version, received: result.version };
      throw new StoreContractError(fields, { scope: this.#cell.identity });
    }
    this.#confirm(round);
    return "saved";
  }

  /** Applies the round's entries again on its base, until nobody leaves while it is done (R4). */
  async #rework(round: Round, attempt: number): Promise<void> {
    do {
      const entries = round.restart();
      this.#cell.head.reset(round.base);
      for (const entry of entries) {
        if (entry.settled) continue;
        const outcome = await this.#rerun(entry, attempt);
        if (outcome === null) continue;
        if (entry.settled) round.spoiled ||= outcome.changed;
        round.record(entry, outcome);
      }
    } while (round.spoiled);
  }

  /** The save is confirmed: versions, events and answers, in order (B1, B4). */
  #confirm(round: Round): void {
    const cell = this.#cell;
    let version = cell.version + 1;
    cell.version += round.changes;
    round.base = cell.head.expose();
    for (const entry of round.entries) {
      const { outcome } = entry;
      if (outcome === null) continue;
      if (outcome.error !== null) entry.reject(outcome.error.thrown);
      else entry.resolve(outcome.changed);
      if (outcome.changed) cell.announce(entry, outcome, version++);
    }
    if (round.changes > 0) cell.committed();
  }

  #fail(round: Round, error: () => unknown): void {
    this.#cell.head.reset(round.base);
    for (const entry of round.entries) {
      if (entry.settled) continue;
      entry.reject(entry.outcome?.error == null ? error() : entry.outcome.error.thrown);
      entry.turn?.end();
    }
  }

  #giveUp(round: Round, attempts: number): void {
    const { identity: scope, version: actualVersion } = this.#cell;
    const fields = { attempts, expectedVersion: this.#expected, actualVersion };
    this.#fail(round, () => new ConcurrentModificationError(fields, { scope }));
  }
}
