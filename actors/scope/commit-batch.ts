/**
 * A round: the entries whose changes go into one save, and those whose results rest on its state.
 *
 * Entries are applied to the head one after another as they come; the round keeps what each did, so
 * that the save can carry all of it and the answers can be given in order once the save is
 * confirmed.
 *
 * Invariants
 *  R1  The head of an open round is its base with the outcomes of its entries applied in order.
 *  R2  An outcome that depends on an unconfirmed change, also "no change" and an error, is answered
 *      only after that change is confirmed; on a conflict it is worked out again.
 *  R3  A round holds at most `ROUND_MAX` entries; later ones wait in the mailbox.
 *  R4  A round whose applied entry left before the save was sent is worked out again without it.
 *  R5  The patches of a commit are all of its changes; there are none if one was not recorded.
 *  R6  A round without changes resolves without a look at the store only when its base was read
 *      from the store while all its entries waited, or when none of them has to be verified.
 */
import { difference } from "../state/diff.ts";
import type { CommitInfo, OperationName, Patch } from "../protocol.ts";
import type { Entry, Outcome } from "./mailbox.ts";
import type { Mutation } from "./mutation.ts";
import type { ScopeSettings } from "./options.ts";
import type { Cascade } from "./reentrancy.ts";

/** Entries folded into one save. */
export const ROUND_MAX = 131_072;

/** Entries that share one save; see the head of this file. */
export class Round {
  /** The confirmed state the round builds on; what readers see meanwhile. */
  base: object;
  /** How many entries changed something. */
  changes = 0;
  /** An applied entry left: the head still holds its change (R4). */
  spoiled = false;
  /** The base was read from the store after the round was closed (R6). */
  isCurrent = false;
  /** Its entries are being run again: each waits for what any of them waits for. */
  reworking = false;
  #entries: Entry[] = [];

  constructor(base: object) {
    this.base = base;
  }

  get entries(): readonly Entry[] {
    return this.#entries;
  }

  get full(): boolean {
    return this.#entries.length >= ROUND_MAX;
  }

  /** The results count only once the store has confirmed the version they rest on (R6). */
  needsVerification(settings: ScopeSettings): boolean {
    return !this.isCurrent && this.#entries.some((entry) => mustVerify(entry, settings));
  }

  /** Everybody was answered already. */
  get deserted(): boolean {
    return this.#entries.every((entry) => entry.settled);
  }

  /** The time at which the last caller stops waiting, of `monotonic`. */
  get deadline(): number {
    return this.#entries.reduce((latest, entry) => Math.max(latest, entry.deadline), 0);
  }

  /** Adds an entry with what it did. */
  add(entry: Entry, outcome: Outcome): void {
    entry.joined = this;
    this.#entries.push(entry);
    this.record(entry, outcome);
  }

  /** Of the changes that listeners made the one furthest from where they began. */
  get cause(): Cascade | undefined {
    return this.#entries.reduce<Cascade | undefined>(
      (deepest, { cause }) => ((cause?.depth ?? 0) > (deepest?.depth ?? 0) ? cause : deepest),
      undefined,
    );
  }

  /** Keeps what an entry of the round did when it ran again. */
  record(entry: Entry, outcome: Outcome): void {
    entry.outcome = outcome;
    if (outcome.changed) this.changes += 1;
  }

  /** Starts again from the base; who left is out, the others have to run again, in order. */
  restart(): readonly Entry[] {
    this.#entries = this.#entries.filter((entry) => !entry.settled);
    for (const entry of this.#entries) entry.outcome = null;
    this.reworking = true;
    this.changes = 0;
    this.spoiled = false;
    return this.#entries;
  }

  /** Some changes were made while there was no listener, so what undoes them was not kept. */
  get #unobserved(): boolean {
    return this.#entries.some(({ outcome }) => outcome?.changed === true && !outcome.inverse);
  }

  /**
   * The confirmed changes with their patches, in order. A round with unobserved changes reports all
   * of its patches with the first change.
   */
  *changesSince(before: object): Generator<readonly [Entry, Outcome]> {
    const whole = this.#unobserved ? difference(before, this.base) : null;
    let rest = whole;
    for (const entry of this.#entries) {
      const { outcome } = entry;
      if (outcome?.changed !== true) continue;
      yield [entry, rest === null ? outcome : { ...outcome, ...rest }];
      if (whole !== null) rest = { state: whole.state, patches: [], inverse: [] };
    }
  }

  /** What the save has to carry, built on the confirmed `baseVersion`. */
  commit(baseVersion: number): CommitInfo {
    const patches: Patch[] = [];
    const operations: OperationName[] = [];
    let recorded = true;
    for (const { outcome, work } of this.#entries) {
      if (outcome === null || !outcome.changed) continue;
      if (outcome.patches === null) recorded = false;
      else for (const patch of outcome.patches) patches.push(patch);
      operations.push((work as Mutation).operation); // Solo work never joins a round.
    }
    const version = baseVersion + this.changes;
    return { version, patches: recorded ? patches : [], operations };
  }
}

/** True when the result of an entry counts only once the store has confirmed the version. */
export function mustVerify({ work }: Entry, { verifies }: ScopeSettings): boolean {
  return verifies || "verifies" in work;
}
