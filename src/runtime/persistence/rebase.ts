/**
 * Write-behind of a checkpoint scope on a shared store. Changes resolve from memory; when another
 * writer has saved first, they are repeated on that writer's state.
 *
 *     changes ──▶ memory ──▶ write ──ok──▶ stored
 *                              │ conflict, or a newer version was reported
 *                              ▼
 *       in an exclusive task: read ──▶ repeat unstored changes ──▶ adopt, one event
 *                              └──▶ write again; in the end under an exclusive lease of the store
 *
 * Invariants
 *  E1  A resolved change is in every later state of the scope, until it is stored. A change that
 *      cannot be repeated is logged, counted, and rejects the next `flush`: never silent.
 *  E2  The scope adopts another state in an exclusive task, at once: no mutation runs between the
 *      read and the event, and readers see the old state or the new one.
 *  E3  A version that is adopted is newer than the one in memory and not older than the store's.
 *  E4  Two writers make progress: after `cas.maxRetries` a write has the record to itself.
 *  E5  A change that another writer's state may or may not contain is not repeated; it is reported
 *      as `COMMIT_UNKNOWN` in the way of E1.
 *  E6  A stopped scope runs no tasks: its last write rebases without one. It does not wait between
 *      attempts either: the second attempt has the record to itself.
 *  E7  A write that waits for the scope does not wait for a section that reads the record itself,
 *      as that of a section that stores its changes does: it goes on with what that has read.
 */
import { readRecord } from "../../../actors/scope/save-answer.ts";
import type { BehindScope, BehindTarget } from "./behind-scope.ts";
import { UnstoredHistory } from "./unstored-history.ts";
import { CheckpointWriter, type Rebase } from "./write-behind.ts";
import {
  CommitUnknownError,
  ConcurrentModificationError,
  isHoldfastError,
} from "../../../actors/errors.ts";
import type { Call, Outcome } from "../../../actors/scope/mailbox.ts";
import { isRefused, type SaveStep } from "../../../actors/scope/retry.ts";
import type { Stored, Tombstone } from "../../../actors/protocol.ts";
import { storedState } from "../../../actors/scope/options.ts";
import type { Claim } from "../../../actors/scope/claim.ts";
import { countSave } from "../../../actors/scope/counters.ts";
import { isInTurn, outsideTurns, refuseReentry } from "../../../actors/scope/reentrancy.ts";
import { type Done, type Replayed, Unconfirmed } from "../../../actors/scope/unconfirmed.ts";

/** A caller in `flush`. */
interface Waiting {
  loss: Error | null;
  /** Set when the caller has the scope claimed: ends its wait for another claim. */
  refuse: (() => void) | null;
}

/** Work in an exclusive task of the scope; its read counts while `isWanted`. */
type TurnWork<T> = (isWanted: () => boolean) => Promise<T>;

/** Writes a scope on a shared store; see the head of this file. */
export class WriteBehind {
  readonly #scope: BehindScope;
  readonly #target: BehindTarget;
  /** Writes the newest state. */
  readonly writer: CheckpointWriter;
  readonly #changes = new Unconfirmed();
  /** The changes that a history gets with the next save. */
  readonly history: UnstoredHistory;
  /** The store's version while the scope adopts a state that builds on it. */
  #base: number | null = null;
  /** Why resolved changes were lost, until `flush` rejects with it. */
  #loss: Error | null = null;
  readonly #waiting = new Set<Waiting>();
  /** Changes are made again: no history leads to the state that they get. */
  rebasing = false;
  /** Ends the wait for a claim (E7); `null`: none is awaited. */
  #turn: AbortController | null = null;
  #lost = 0;

  constructor(scope: BehindScope, target: BehindTarget) {
    this.#scope = scope;
    this.#target = target;
    this.history = new UnstoredHistory(scope);
    const { settings } = scope;
    const { counters, logger, storeName } = settings;
    const rebase: Rebase = {
      get settings() {
        const cas = { ...settings.cas, maxRetries: 0, escalate: true }; // E6
        return scope.stopped ? { ...settings, cas } : settings;
      },
      again: () => this.#inTurn<unknown>(this.#read.bind(this), async () => true),
      exclusive: (write, signal) =>
        this.#inTurn(this.#exclusively(write, signal), async () => {
          const step = await write();
          return target.keeps && isRefused(step) ? null : step;
        }),
    };
    this.writer = new CheckpointWriter(scope, target, {
      logger,
      storeName,
      rebase,
      counters,
      commit: (version) => this.history.commit(version),
      confirmed: (version) => {
        this.history.confirm(version);
        countSave(counters, this.#changes.confirm(version));
      },
    });
  }

  /** The state of the last change. */
  get state(): object {
    return this.#scope.state;
  }

  /** The last version known to be stored. */
  get storedVersion(): number {
    return this.writer.storedVersion;
  }

  /** Writes that failed so far, and changes that could not be repeated. */
  get errors(): number {
    return this.writer.errors + this.#lost;
  }

  /** Keeps the change that made the present version, to repeat it if necessary. */
  note(done: Done, entry: Call | null, outcome?: Outcome): void {
    this.history.note(done, entry, outcome);
    this.#changes.add(this.#scope.version, done, entry);
    if (this.#changes.full) this.#scope.stale = true; // The next mutation waits for `reload`.
  }

  /** The scope adopted `version`, the store's or one built on it. */
  loaded(version: number): void {
    this.writer.loaded(this.#base ?? version);
    if (this.#base !== null) return;
    this.#changes.clear();
    this.history.loaded(version, this.#scope.exists);
  }

  /** Waits until the present state is stored; also rejects, once, for lost changes (E1). */
  async flush(): Promise<void> {
    if (this.#scope.stopped) this.writer.hurry();
    const waiting: Waiting = { loss: this.#loss, refuse: null };
    this.#loss = null;
    this.#waiting.add(waiting);
    try {
      const flushed = this.writer.flush();
      await (isInTurn() ? Promise.race([flushed, this.#refusal(waiting)]) : flushed);
    } catch (error) {
      this.#loss ??= waiting.loss;
      throw error;
    } finally {
      this.#waiting.delete(waiting);
    }
    if (waiting.loss !== null) throw waiting.loss;
  }

  /** In an exclusive task: adopts the store's state with the unstored changes on top. */
  async reload(isWanted: () => boolean): Promise<void> {
    if (this.#changes.full)
      await this.writer.bring({
        settings: this.#scope.settings,
        again: () => this.#read(isWanted),
        exclusive: (write, signal) => this.#exclusively(write, signal)(isWanted),
      });
    await this.#read(isWanted);
    if (!isWanted()) return;
    this.#scope.stale = false;
    this.#turn?.abort(); // E7
  }

  /** Rejects when a caller that has claimed the scope would wait for another claim. */
  #refusal(waiting: Waiting): Promise<never> {
    return new Promise((_, reject) => {
      try {
        refuseReentry(this.#scope);
      } catch (error) {
        waiting.refuse = () => reject(error);
        if (this.#turn !== null) waiting.refuse();
      }
    });
  }

  /**
   * Runs `work` with the scope claimed; again, without a claim, when it stops (E6). Runs `read`
   * instead when a section has read the record meanwhile (E7); its `null`: that was not enough.
   */
  async #inTurn<T>(work: TurnWork<T>, read: () => Promise<T | null>): Promise<T> {
    const claim = await this.#claim();
    if (claim === "read") return (await read()) ?? this.#inTurn(work, read);
    if (claim === null) return work(() => true);
    try {
      const done = await work(() => !claim.ended);
      if (!claim.ended) return done;
    } finally {
      claim.release();
    }
    return this.#inTurn(work, read);
  }

  async #claim(): Promise<Claim | "read" | null> {
    if (this.#scope.stopped) return null;
    const { signal } = (this.#turn = new AbortController());
    for (const { refuse } of this.#waiting) refuse?.();
    try {
      // Without its own time limit: all work in it has one.
      return await outsideTurns(() => this.#scope.ownTurn(signal));
    } catch (error) {
      if (signal.aborted) return "read";
      if (isHoldfastError(error, "SCOPE_STOPPED")) return null;
      throw error;
    } finally {
      this.#turn = null;
    }
  }

  #exclusively(write: () => Promise<SaveStep>, signal: AbortSignal): TurnWork<SaveStep> {
    // A section of another process lasts as long as its code; a stopped scope waits for one lease.
    const wait = { signal, waitMs: this.#scope.stopped ? undefined : Infinity };
    return (isWanted) => this.#target.exclusive(() => this.#read(isWanted).then(write), wait);
  }

  #read(isWanted: () => boolean): Promise<void> {
    return this.writer.alone(async () => {
      const found = await readRecord(this.#scope, this.#target, "refresh");
      if (!isWanted()) return;
      if (this.storedVersion === this.#scope.version) this.#scope.take(found);
      else if (!this.writer.knows(found)) await this.#adopt(found, isWanted);
    });
  }

  /** Repeats the unstored changes on the record found, and adopts the result (E2). */
  async #adopt(found: Stored<object> | Tombstone, isWanted: () => boolean): Promise<void> {
    const scope = this.#scope;
    const expectedVersion = this.storedVersion;
    const before = storedState(found.state, scope);
    this.rebasing = true;
    const replaying = this.#changes.replay(scope, {
      state: before,
      exists: found.state !== undefined,
      after: this.writer.doubtBelow(found.version),
      until: this.#target.until ?? Infinity,
      isWanted,
    });
    const replayed = await replaying.finally(() => {
      this.rebasing = false;
    });
    if (replayed === null) return;
    const { exists, state, changes } = replayed;
    const isTheirs = changes === 0 && found.version > scope.version;
    const version = isTheirs ? found.version : Math.max(found.version, scope.version) + 1;
    this.#changes.rebased(version, replayed);
    this.#report(replayed, { attempts: 1, expectedVersion, actualVersion: found.version });
    const fields = { since: found.version, before, created: found.state === undefined };
    if (!isTheirs) this.history.rebased({ ...fields, version, next: state, changed: changes > 0 });
    this.#base = isTheirs ? null : found.version;
    try {
      scope.take(exists ? { state, version } : { state: undefined, version });
    } finally {
      this.#base = null;
    }
    if (changes > 0) scope.committed();
    else if (!isTheirs) this.writer.mark(); // Their state and its life: only its version is new.
  }

  /** Reports resolved changes that are not part of the state (E1, E5). */
  #report(
    { failures, failure: cause, unknown }: Replayed,
    fields: ConstructorParameters<typeof ConcurrentModificationError>[0],
  ): void {
    const { identity: scope } = this.#scope;
    if (unknown > 0) {
      const message = "it is unknown whether another writer built on resolved changes";
      this.#lose(unknown, message, new CommitUnknownError({ scope }));
    }
    if (failures === 0) return;
    const message = "resolved changes could not be repeated on the state of another writer";
    this.#lose(failures, message, new ConcurrentModificationError(fields, { scope, cause }));
  }

  #lose(operations: number, message: string, error: Error): void {
    const { identity: scope, settings } = this.#scope;
    this.#lost += operations;
    settings.counters.checkpointErrors += operations;
    settings.logger.error(message, { scope, operations, error: error.cause });
    if (this.#waiting.size === 0) this.#loss ??= error;
    for (const waiting of this.#waiting) waiting.loss ??= error;
  }
}
