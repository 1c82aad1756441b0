/**
 * The dispatcher of a busy scope: it takes entries from the mailbox one at a time and runs them.
 *
 *            ┌────────────── submit ──────────────┐
 *            ▼                                    ▼
 *          open ──────mutator────▶ running     (mailbox)
 *          ▲ │ ▲ ◀──outcome taken──┘ │
 *          │ │ └──solo work, reload──│──▶ solo ──▶ open
 *          │ └──nothing to apply──▶ saving ──▶ open, or running again
 *          └─────────────────────────┘                     stopped: from anywhere, for good
 *
 * A scope without a bridge answers each entry as soon as it has run. A scope with a bridge applies
 * entries to the head as they come and answers them when the round's save is confirmed
 * (`committer.ts`). A slow mutator does not keep the round before it from being saved: its outcome
 * is held meanwhile, and it runs again if that save does not confirm what it was given.
 * An idle scope has no dispatcher at all.
 *
 * Invariants
 *  S1  At most one entry runs at a time, and entries run in the order of their calls.
 *  S2  An entry that left (timeout, abort, stop) has no effect, or its caller was told that the
 *      outcome is unknown because its save was in flight.
 *  S3  Whatever phase it is in, something is under way that will call `#proceed`, or every entry
 *      leaves at its deadline and that calls it: no entry is stranded.
 *  S4  User code (mutators, checks, listeners) never runs in the open phase: what it submits waits.
 */
import { afterThis, nextTurn } from "../time/soon.ts";
import type { ScopeCell } from "./scope-core.ts";
import { sweepOf, type Expirable } from "./timeouts.ts";
import { CommitUnknownError, ScopeMutationTimeoutError, ScopeStoppedError } from "../errors.ts";
import { leaveOnAbort, Mailbox, type Entry, type Outcome } from "./mailbox.ts";
import type { Mutation } from "./mutation.ts";
import { mustVerify } from "./commit-batch.ts";
import { Runner, type Ended } from "./runner.ts";
import { Saver } from "./committer.ts";
import { prepare } from "./exclusive.ts";
import { captureContext, outsideTurns, Turn } from "./reentrancy.ts";
import { applyMutation, failed } from "./apply-mutation.ts";

type Phase = "open" | "running" | "solo" | "saving" | "stopped";

/** Runs the entries of one scope; see the head of this file. */
export class Dispatcher implements Expirable {
  readonly #cell: ScopeCell;
  readonly #mailbox: Mailbox;
  readonly #saver: Saver;
  readonly #runner: Runner;
  #phase: Phase = "open";
  #solo: Entry | null = null;
  /** The entry for which the store is being read. */
  #reloading: Entry | null = null;
  #saveScheduled: Phase | null = null;
  #onRest: (() => void)[] = [];

  constructor(cell: ScopeCell) {
    this.#cell = cell;
    this.#mailbox = new Mailbox(cell.settings.mailboxLimit);
    this.#runner = new Runner(cell);
    this.#saver = new Saver(cell, (entry) => this.#rerun(entry));
  }

  /** What readers see while a round is open; `null` when the head is the confirmed state. */
  get confirmed(): object | null {
    return this.#saver.confirmed;
  }

  /** Takes a call; its promise is settled in every case. */
  submit(entry: Entry): void {
    leaveOnAbort(entry, (reason) => this.leave(entry, reason));
    const isNext =
      this.#phase === "open" && this.#mailbox.size === 0 && this.#saver.round?.full !== true;
    // Code that waits, or that may run again for a save, needs its caller's context then.
    if ("compute" in entry.work && (!isNext || this.#cell.backing !== null))
      entry.context = captureContext();
    if (isNext) this.#start(entry);
    else this.#enqueue(entry);
    if (!entry.settled) sweepOf(this.#cell.settings.clock).watch(this, entry.deadline);
    this.#proceed();
  }

  /**
   * The caller of `entry` no longer waits; `reason` is his rejection unless the save is under way.
   */
  leave(entry: Entry, reason: unknown): void {
    if (entry.settled) return;
    if (entry === this.#solo) this.#leaveSolo(entry, reason);
    else if (entry === this.#reloading) {
      this.#reloading = null;
      entry.reject(reason);
      this.#moveOn();
    } else if (entry === this.#runner.running) this.#runner.leave(reason);
    else if (entry.joined !== null) this.#saver.leave(entry, reason);
    else this.#mailbox.leave(entry, reason);
  }

  expire(now: number): number {
    let next = Infinity;
    const look = (entry: Entry | null, phase: "queued" | "running"): void => {
      if (entry === null || entry.settled) return;
      if (entry.deadline > now) next = Math.min(next, entry.deadline);
      else this.leave(entry, this.#timeout(entry, phase));
    };
    for (const entry of this.#mailbox) look(entry, "queued");
    for (const entry of this.#saver.round?.entries ?? []) look(entry, "running");
    look(this.#reloading, "queued");
    look(this.#runner.running, "running");
    look(this.#solo, "running");
    return Math.min(next, this.#saver.expire(now));
  }

  /** Refuses everybody who waits; resolves when a save in flight has answered its callers. */
  stop(): Promise<void> {
    const saving = this.#phase === "saving";
    this.#phase = "stopped";
    for (let entry = this.#mailbox.take(); entry !== null; entry = this.#mailbox.take())
      entry.reject(this.#stopped());
    for (const entry of [this.#reloading, this.#solo, this.#runner.running])
      if (entry !== null) this.leave(entry, this.#stopped());
    const rested = new Promise<void>((resolve) => void this.#onRest.push(resolve));
    this.#saver.stop(() => this.#stopped());
    if (!saving) this.#rest();
    return rested;
  }

  #stopped(): ScopeStoppedError {
    return new ScopeStoppedError({ scope: this.#cell.identity });
  }

  #timeout(entry: Entry, phase: "queued" | "running"): ScopeMutationTimeoutError {
    const timeoutMs = entry.options?.timeoutMs ?? this.#cell.settings.mutationTimeoutMs;
    return new ScopeMutationTimeoutError({ timeoutMs, phase }, { scope: this.#cell.identity });
  }

  #enqueue(entry: Entry): void {
    try {
      this.#mailbox.enqueue(entry, this.#cell.identity);
    } catch (error) {
      entry.reject(error);
    }
  }

  /** Starts whatever can start now. */
  #proceed(): void {
    while (this.#phase === "open" && this.#saver.round?.full !== true) {
      const entry = this.#mailbox.take();
      if (entry === null) break;
      this.#start(entry);
    }
    if (this.#saver.round !== null) this.#scheduleSave();
    else if (this.#phase === "open") this.#rest();
  }

  /** All calls of this turn of the loop share a save; a mutator that takes longer does not. */
  #scheduleSave(): void {
    const phase = this.#phase;
    if ((phase !== "open" && phase !== "running") || this.#saveScheduled === phase) return;
    this.#saveScheduled = phase;
    const save = (): void => {
      if (this.#saveScheduled === phase) this.#saveScheduled = null;
      if (this.#phase === phase && this.#saver.round !== null) this.#save();
    };
    if (phase === "open") afterThis(save);
    else nextTurn(save);
  }

  #rest(): void {
    sweepOf(this.#cell.settings.clock).unwatch(this);
    this.#cell.rest();
    for (const rested of this.#onRest.splice(0)) rested();
  }

  #save(): void {
    const given = this.#cell.head.expose(); // To a mutator that is still running, if there is one.
    this.#phase = "saving";
    this.#runner.hold();
    void outsideTurns(() => this.#saver.save()).then(() => {
      if (this.#phase === "stopped") return this.#rest();
      if (this.#cell.head.expose() !== given) this.#startOver();
      this.#phase = this.#runner.running === null ? "open" : "running";
      this.#runner.release();
      this.#proceed();
    });
  }

  /** The running mutator was given a state that never came to be: it will run again. */
  #startOver(): void {
    const entry = this.#runner.drop();
    if (entry !== null) this.#mailbox.putBack(entry);
  }

  #start(entry: Entry): void {
    const signal = entry.options?.signal; // Aborted, but its turn to be told has not come yet.
    if (signal?.aborted === true) return entry.reject(signal.reason);
    const { stale, overdue } = this.#cell;
    const reads = (stale || overdue === true) && !("reloads" in entry.work);
    if ((reads || "solo" in entry.work) && this.#saver.round !== null) {
      this.#mailbox.putBack(entry); // What needs the scope to itself lets the round be saved first.
      return this.#save();
    }
    if (reads) return this.#reloadFirst(entry);
    if ("solo" in entry.work) return this.#startSolo(entry, entry.work.solo);
    this.#phase = "running";
    const ended = this.#runner.run(entry, entry.work, (late) => {
      this.#finish(entry, late);
      this.#proceed();
    });
    if (ended !== null) this.#finish(entry, ended);
  }

  /** The phase stays `running` until everything that can call user code is done (S4). */
  #finish(entry: Entry, ended: Ended): void {
    if (ended !== "left") this.#take(entry, this.#outcome(entry, ended));
    if (this.#phase === "running") this.#phase = "open";
  }

  /** Nothing builds on a guess, nor on a state whose time is over. */
  #reloadFirst(entry: Entry): void {
    this.#phase = "solo";
    this.#reloading = entry;
    const reloaded = (settle: () => void): void => {
      if (this.#reloading !== entry) return; // It left, and the mailbox moved on then.
      this.#reloading = null;
      this.#phase = "open";
      settle();
      this.#proceed();
    };
    prepare(this.#cell, () => this.#reloading === entry).then(
      () => reloaded(() => this.#start(entry)),
      (error: unknown) => reloaded(() => entry.reject(error)),
    );
  }

  #startSolo(entry: Entry, solo: (entry: Entry) => Promise<boolean>): void {
    this.#phase = "solo";
    this.#solo = entry;
    entry.turn = new Turn(1);
    const done = (settle: () => void): void => {
      settle();
      if (this.#solo !== entry) return; // It left, and the mailbox moved on then.
      this.#solo = null;
      this.#moveOn();
    };
    solo(entry).then(
      (changed) => done(() => entry.resolve(changed)),
      (error: unknown) => done(() => entry.reject(error)),
    );
  }

  #leaveSolo(entry: Entry, reason: unknown): void {
    const unknown = "solo" in entry.work && entry.work.unknown === true;
    if (unknown) this.#cell.stale = true;
    const { identity } = this.#cell;
    entry.reject(unknown ? new CommitUnknownError({ scope: identity, cause: reason }) : reason);
    this.#solo = null;
    entry.turn?.lose(reason);
    this.#moveOn();
  }

  #moveOn(): void {
    if (this.#phase === "solo") this.#phase = "open";
    this.#proceed();
  }

  #outcome(entry: Entry, ended: Exclude<Ended, "left">): Outcome {
    if (this.#cell.bridge !== null) this.#saver.open();
    if ("thrown" in ended) return failed(ended.thrown);
    // Solo work never gets here: it is started apart.
    return applyMutation(this.#cell, entry.work as Mutation, ended.value);
  }

  /** Answers an entry that has run, or adds it to the round that will. */
  #take(entry: Entry, outcome: Outcome): void {
    const { round } = this.#saver;
    // There would be one, had no check stopped the scope meanwhile.
    if (round === null && this.#cell.bridge !== null) return entry.reject(this.#stopped());
    // What rests on an unconfirmed change, or on a state to verify, resolves with the round (R2).
    const joins = outcome.changed || mustVerify(entry, this.#cell.settings);
    if (round !== null && (joins || round.changes > 0)) return round.add(entry, outcome);
    this.#saver.dropEmpty();
    if (outcome.error !== null) return entry.reject(outcome.error.thrown);
    if (!outcome.changed) return entry.resolve(false);
    this.#cell.version += 1;
    this.#cell.exists = true;
    this.#cell.noted(entry.work as Mutation, entry); // Solo work never gets here.
    entry.resolve(true);
    this.#cell.announce(entry, outcome, this.#cell.version);
    this.#cell.committed(true, entry.cause);
  }

  /** Runs an entry of a round again; `null` when it left meanwhile. */
  #rerun(entry: Entry): Promise<Outcome | null> {
    this.#startOver();
    this.#runner.release();
    return new Promise((resolve) => {
      const taken = (ended: Ended): void =>
        resolve(ended === "left" ? null : this.#outcome(entry, ended));
      const ended = this.#runner.run(entry, entry.work as Mutation, taken);
      if (ended !== null) taken(ended);
    });
  }
}
