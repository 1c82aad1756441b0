/**
 * The dispatcher of a busy scope: it takes entries from the mailbox one at a time and runs them.
 *
 *            ┌────────────── submit ──────────────┐
 *            ▼                                    ▼
 *          open ──async mutator──▶ running     (mailbox)
 *           ▲ │ ◀──outcome taken──┘
 *           │ ├──solo work──▶ solo ──▶ open
 *           │ └──nothing left to apply──▶ saving ──▶ open          stopped: from anywhere, for good
 *           └──────────────────────────────────┘
 *
 * A scope without a bridge answers each entry as soon as it has run. A scope with a bridge applies
 * entries to the head as they come and answers them when the round's save is confirmed
 * (`saver.ts`). An idle scope has no dispatcher at all.
 *
 * Invariants
 *  S1  At most one entry runs at a time, and entries run in the order of their calls.
 *  S2  An entry that left (timeout, abort, stop) has no effect, or its caller was told that the
 *      outcome is unknown because its save was in flight.
 *  S3  Whatever phase it is in, something is under way that will call `#proceed`: no entry is
 *      stranded.
 *  S4  User code never runs while the dispatcher's own fields are half-changed.
 */
import type { ScopeCell } from "./cell.ts";
import { sweepOf, type Expirable } from "./deadline.ts";
import { CommitUnknownError, ScopeMutationTimeoutError, ScopeStoppedError } from "./errors.ts";
import { Mailbox, type Entry, type Outcome } from "./mailbox.ts";
import type { Mutation } from "./mutation.ts";
import { Runner, type Ended } from "./runner.ts";
import { Saver } from "./saver.ts";
import { captureContext, Turn } from "./turn.ts";
import { applyMutation } from "./write.ts";

type Phase = "open" | "running" | "solo" | "saving" | "stopped";
/** Runs the entries of one scope; see the head of this file. */
export class Dispatcher implements Expirable {
  readonly #cell: ScopeCell;
  readonly #mailbox: Mailbox;
  readonly #saver: Saver;
  #phase: Phase = "open";
  readonly #runner: Runner;
  #solo: Entry | null = null;
  #saveScheduled = false;
  #onRest: (() => void)[] = [];

  constructor(cell: ScopeCell) {
    this.#cell = cell;
    this.#mailbox = new Mailbox(cell.settings.mailboxLimit);
    this.#runner = new Runner(cell);
    this.#saver = new Saver(cell, (entry, attempt) => this.#rerun(entry, attempt));
  }

  /** What readers see while a round is open; `null` when the head is the confirmed state. */
  get confirmed(): object | null {
    return this.#saver.round?.base ?? null;
  }

  /** How many calls wait for their turn. */
  get waiting(): number {
    return this.#mailbox.size;
  }

  /** Takes a call; its promise is settled in every case. */
  submit(entry: Entry): void {
    if (this.#phase === "open" && this.#mailbox.size === 0 && this.#saver.round?.full !== true) {
      this.#start(entry);
    } else {
      try {
        this.#mailbox.enqueue(entry, this.#cell.identity);
      } catch (error) {
        entry.reject(error);
        return;
      }
      if ("compute" in entry.work) entry.context = captureContext();
    }
    if (!entry.settled) sweepOf(this.#cell.settings.clock).watch(this, entry.deadline);
    this.#proceed();
  }

  /**
   * The caller of `entry` no longer waits; `reason` is his rejection unless the save is under way.
   */
  leave(entry: Entry, reason: unknown): void {
    if (entry.settled) return;
    if (entry === this.#solo) this.#leaveSolo(entry, reason);
    else if (entry === this.#runner.running) this.#runner.leave(reason);
    else if (entry.joined) this.#saver.leave(entry, reason);
    else {
      entry.reject(reason);
      this.#mailbox.left();
    }
  }

  expire(now: number): number {
    let next = Infinity;
    const look = (entry: Entry, phase: "queued" | "running"): void => {
      if (entry.settled) return;
      if (entry.deadline > now) next = Math.min(next, entry.deadline);
      else this.leave(entry, this.#timeout(entry, phase));
    };
    for (const entry of this.#mailbox) look(entry, "queued");
    for (const entry of this.#saver.round?.entries ?? []) look(entry, "running");
    for (const entry of [this.#runner.running, this.#solo])
      if (entry !== null) look(entry, "running");
    return Math.min(next, this.#saver.expire(now));
  }

  /** Refuses everybody who waits; resolves when a save in flight has answered its callers. */
  stop(): Promise<void> {
    const saving = this.#phase === "saving";
    this.#phase = saving ? "saving" : "stopped";
    for (let entry = this.#mailbox.take(); entry !== null; entry = this.#mailbox.take())
      entry.reject(this.#stopped());
    if (this.#solo !== null) this.#leaveSolo(this.#solo, this.#stopped());
    if (this.#runner.running !== null) this.#runner.leave(this.#stopped());
    const rested = new Promise<void>((resolve) => {
      this.#onRest.push(resolve);
    });
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

  /**
   * Starts whatever can start now; the only place that leaves the open phase for saving or rest.
   */
  #proceed(): void {
    while (this.#phase === "open" && this.#saver.round?.full !== true) {
      const entry = this.#mailbox.take();
      if (entry === null) break;
      this.#start(entry);
    }
    if (this.#phase !== "open" || this.#saveScheduled) return;
    if (this.#saver.round === null) return this.#rest();
    // The save starts in a microtask, so that all calls of this turn of the loop share it.
    this.#saveScheduled = true;
    queueMicrotask(() => {
      this.#saveScheduled = false;
      if (this.#phase === "open" && this.#saver.round !== null) this.#save();
    });
  }

  #rest(): void {
    sweepOf(this.#cell.settings.clock).unwatch(this);
    this.#cell.rest();
    for (const rested of this.#onRest.splice(0)) rested();
  }

  #save(): void {
    this.#phase = "saving";
    void this.#saver.save().then(() => {
      this.#phase = "open";
      this.#proceed();
    });
  }

  #start(entry: Entry): void {
    if (this.#cell.stale && !("reloads" in entry.work)) return this.#reloadFirst(entry);
    if ("solo" in entry.work) return this.#startSolo(entry, entry.work.solo);
    this.#phase = "running";
    const taken = (ended: Ended): void => {
      this.#phase = "open";
      if (ended !== "left") this.#take(entry, this.#outcome(entry, ended));
    };
    const ended = this.#runner.run(entry, entry.work, 1, (late) => {
      taken(late);
      this.#proceed();
    });
    if (ended !== null) taken(ended);
  }

  /** A commit's outcome is unknown: know the truth before anything builds on a guess. */
  #reloadFirst(entry: Entry): void {
    this.#mailbox.putBack(entry);
    if (this.#saver.round !== null) return this.#save();
    this.#phase = "solo";
    const reloaded = (error?: unknown): void => {
      if (error !== undefined) {
        const next = this.#mailbox.take();
        next?.reject(error);
      }
      if (this.#phase === "solo") this.#phase = "open";
      this.#proceed();
    };
    this.#cell.reload(() => this.#phase === "solo").then(() => reloaded(), reloaded);
  }

  #startSolo(entry: Entry, solo: (entry: Entry) => Promise<boolean>): void {
    if (this.#saver.round !== null) {
      this.#mailbox.putBack(entry);
      return this.#save();
    }
    this.#phase = "solo";
    this.#solo = entry;
    entry.turn = new Turn(1);
    const done = (settle: () => void): void => {
      settle();
      if (this.#solo !== entry) return; // It left, and the mailbox moved on then.
      this.#solo = null;
      this.#phase = "open";
      this.#proceed();
    };
    solo(entry).then(
      (changed) => done(() => entry.resolve(changed)),
      (error: unknown) => done(() => entry.reject(error)),
    );
  }

  #outcome(entry: Entry, ended: Exclude<Ended, "left">): Outcome {
    if (this.#cell.bridge !== null) this.#saver.open();
    if ("thrown" in ended) return failure(ended.thrown);
    // Solo work never gets here: it is started apart.
    return applyMutation(this.#cell, entry.work as Mutation, ended.value);
  }

  /** Answers an entry that has run, or adds it to the round that will. */
  #take(entry: Entry, outcome: Outcome): void {
    const { round } = this.#saver;
    // What rests on an unconfirmed change is answered with it (R2).
    if (round !== null && (outcome.changed || round.changes > 0)) return round.add(entry, outcome);
    this.#saver.dropEmpty();
    if (outcome.error !== null) return entry.reject(outcome.error.thrown);
    if (!outcome.changed) return entry.resolve(false);
    this.#cell.version += 1;
    entry.resolve(true);
    this.#cell.announce(entry, outcome, this.#cell.version);
    this.#cell.committed();
  }

  /** Runs an entry of a round again; `null` when it left meanwhile. */
  #rerun(entry: Entry, attempt: number): Promise<Outcome | null> {
    return new Promise((resolve) => {
      const taken = (ended: Ended): void =>
        resolve(ended === "left" ? null : this.#outcome(entry, ended));
      const ended = this.#runner.run(entry, entry.work as Mutation, attempt, taken);
      if (ended !== null) taken(ended);
    });
  }

  #leaveSolo(entry: Entry, reason: unknown): void {
    const unknown = "solo" in entry.work && entry.work.unknown === true;
    if (unknown) this.#cell.stale = true;
    const { identity } = this.#cell;
    entry.reject(unknown ? new CommitUnknownError({ scope: identity, cause: reason }) : reason);
    entry.turn?.lose(reason);
    this.#solo = null;
    if (this.#phase === "solo") this.#phase = "open";
    this.#proceed();
  }
}

function failure(thrown: unknown): Outcome {
  return { changed: false, error: { thrown }, patches: null, inverse: null, computed: undefined };
}
