/**
 * Write-behind of checkpoint scopes: mutations resolve from memory, and the newest state is stored
 * in the background.
 *
 *     mark v1 ──▶ (v2 in the same tick) ──▶ writing v2 ──▶ (v3, v4) ──▶ writing v4 ──▶ clean
 *                                            │ another writer was first
 *                                            └─▶ rebase ──▶ writing ──▶ … (by retry.ts)
 *
 * Invariants
 *  H1  At most one write is in flight; everything newer becomes one further write. The first write
 *      in the background starts after the tick of the event loop, with all that it has marked.
 *  H2  A write carries the version it was made under and expects the version stored before it, so a
 *      stale owner can never overwrite a newer one. A source that can adopt the newer state with
 *      its own changes on top (`Rebase`) does, within the conflict budget; else it rejects.
 *  H3  `flush` resolves only when the state as it was at the call is stored, and rejects when a
 *      write failed; an unstored state stays marked and is written at the next occasion.
 *  H4  A failed background write is reported to the logger and counted, never ignored.
 *  H5  A write whose outcome was unknown and that is found in the store counts as stored. A write
 *      that was refused does not, even if the record is equal: then another owner wrote it.
 *  H6  Nothing is written while the record is read (`alone`), and a read waits for the write in
 *      flight. Neither claims the scope, so both are allowed while it is claimed.
 */
import { nextTurn } from "../../../actors/time/soon.ts";
import { ConcurrentModificationError, isHoldfastError } from "../../../actors/errors.ts";
import {
  isRefused,
  refusedAt,
  retry,
  type RetryPort,
  type SaveStep,
} from "../../../actors/scope/retry.ts";
import type {
  CommitInfo,
  Tombstone,
  Logger,
  SaveResult,
  ScopeIdentity,
  Stored,
} from "../../../actors/protocol.ts";
import type { Counters } from "../../../actors/scope/counters.ts";
import { type CheckpointTarget, sendCheckpoint } from "./checkpoint-target.ts";
import { type Attempt, UnknownWrites } from "./unknown-writes.ts";

/** The scope to write. */
export interface CheckpointSource {
  readonly identity: ScopeIdentity;
  readonly state: object;
  readonly version: number;
  /** False when the scope was deleted. */
  readonly exists: boolean;
  /** Called when everything is stored. */
  stored(): void;
}

/** How a source continues after a conflict with another writer. */
export interface Rebase {
  readonly settings: Pick<RetryPort, "cas" | "clock" | "random" | "counters">;
  /** Adopts the store's state with the unstored changes on top. */
  again(): Promise<unknown>;
  /** The same and then `write`, under an exclusive lease of the store; the signal ends its wait. */
  exclusive(write: () => Promise<SaveStep>, signal: AbortSignal): Promise<SaveStep>;
}

/** What a writer works with. */
export interface WriterPort {
  readonly logger: Logger;
  readonly storeName: string | undefined;
  /** Absent: a conflict rejects. */
  readonly rebase?: Rebase;
  /** Absent: nothing is counted. */
  readonly counters?: Counters;
  /** What the history of the scope gets with the save of a version. */
  commit?(version: number): Pick<CommitInfo, "changes" | "created">;
  /** Called when everything up to `version` is stored, with the state of that version. */
  confirmed?(version: number, state: object | undefined): void;
}

/** Writes one scope in the background. */
export class CheckpointWriter {
  readonly #source: CheckpointSource;
  readonly #target: CheckpointTarget;
  readonly #port: WriterPort;
  #stored: number;
  #writing: Promise<SaveStep> | null = null;
  #reading: Promise<void> | null = null;
  /** The write under way, including its retries; for code that only waits. */
  #bringing: Promise<void> | null = null;
  /** Callers waiting in `flush`. */
  #flushing = 0;
  /** Background writes continue until nothing is newer; false: they wait for a mark. */
  #following = false;
  /** Writes of unknown outcome since the last confirmed one: one may have taken effect. */
  readonly #unknown = new UnknownWrites();
  /** Ends the waits between the retries of the last conflict. */
  #retries: AbortController | null = null;
  /** Requests of the present write. */
  #attempts = 0;
  /** The last conflict. */
  #conflict = { expectedVersion: 0, actualVersion: 0 };
  /** Writes that failed so far. */
  errors = 0;
  /** Why the last write failed; `null` when it did not. */
  failure: unknown = null;

  constructor(source: CheckpointSource, target: CheckpointTarget, port: WriterPort) {
    this.#source = source;
    this.#target = target;
    this.#port = port;
    this.#stored = source.version;
  }

  /** Everything is stored. */
  get clean(): boolean {
    const isUpToDate = this.#stored === this.#source.version;
    return isUpToDate && this.#writing === null && this.#reading === null;
  }

  /** A write is under way, its retries included. */
  get saving(): boolean {
    return this.#bringing !== null;
  }

  /** The last version known to be stored. */
  get storedVersion(): number {
    return this.#stored;
  }

  /** The state changed: write it soon. */
  mark(): void {
    if (!this.#following) void this.#follow();
  }

  /** Waits until the present state is stored; rejects with the failure. */
  async flush(): Promise<void> {
    const wanted = this.#source.version;
    this.#flushing += 1;
    try {
      while (!this.clean && (this.#stored < wanted || this.#stored > this.#source.version))
        await this.#bringOnce();
    } finally {
      this.#flushing -= 1;
    }
  }

  /** Ends the wait between the attempts of a conflict; the next one starts at once. */
  hurry(): void {
    this.#retries?.abort();
  }

  /** Runs a read of the record: no write is in flight, and none starts meanwhile (H6). */
  async alone<T>(read: () => Promise<T>): Promise<T> {
    while (this.#writing !== null || this.#reading !== null)
      await (this.#writing ?? this.#reading)?.catch(() => undefined);
    const reading = read();
    const over = (): void => {
      this.#reading = null;
    };
    this.#reading = reading.then(over, over);
    await this.#reading;
    return reading;
  }

  /** The scope was read from the store and builds on `version`. */
  loaded(version: number): void {
    if (version !== this.#stored) this.#unknown.clear(); // Else one may still take effect.
    this.#stored = version;
    this.failure = null;
  }

  /** True when a record that was read is the base of this scope, or was written here. */
  knows(found: Stored<object> | Tombstone): boolean {
    return found.version === this.#stored || this.#claims(found);
  }

  /** The newest version written here that another owner's `version` may contain; 0 = none. */
  doubtBelow(version: number): number {
    return this.#unknown.newestBelow(version);
  }

  /** Writes the present state and resolves conflicts by `rebase`. */
  async bring(rebase: Rebase | undefined): Promise<void> {
    this.#attempts = 0;
    try {
      const first = await this.#write();
      if (isRefused(first)) await this.#resolve(rebase, first);
      this.failure = null;
    } catch (error) {
      this.errors += 1;
      if (this.#port.counters !== undefined) this.#port.counters.checkpointErrors += 1;
      this.failure = error;
      const { identity: scope, version } = this.#source;
      if (this.saving && this.#flushing === 0)
        this.#port.logger.error("a checkpoint was not stored", { scope, version, error });
      throw error;
    }
  }

  /** Writes as long as the state is newer than the stored one; never rejects. */
  async #follow(): Promise<void> {
    this.#following = true;
    await new Promise<void>((resolve) => nextTurn(resolve));
    try {
      while (!this.clean) await this.#bringOnce();
    } catch {
      // It was logged, or a caller of `flush` receives it.
    }
    this.#following = false;
  }

  #bringOnce(): Promise<void> {
    return (this.#bringing ??= this.bring(this.#port.rebase).finally(() => {
      this.#bringing = null;
    }));
  }

  async #write(): Promise<SaveStep> {
    while (this.#reading !== null) await this.#reading;
    if (this.clean) return "empty";
    return (this.#writing ??= this.#writeNewest());
  }

  async #writeNewest(): Promise<SaveStep> {
    const expected = this.#stored;
    const { exists, state, version } = this.#source;
    const attempt = { version, state: exists ? state : undefined };
    this.#attempts += 1;
    const history = this.#port.commit?.(version);
    const request = { ...attempt, expected, attempt: this.#attempts, history };
    let step: SaveStep;
    try {
      const result = await sendCheckpoint(this.#source, request, this.#target, this.#port);
      step = this.#take(attempt, expected, result);
    } catch (error) {
      if (isHoldfastError(error, "COMMIT_UNKNOWN")) this.#unknown.add(attempt);
      throw error;
    } finally {
      this.#writing = null;
    }
    if (this.clean) this.#source.stored();
    return step;
  }

  /** Applies a result (H2, H5), unless the scope was read from the store meanwhile. */
  #take(attempt: Attempt, expected: number, result: SaveResult<object>): SaveStep {
    if (this.#stored !== expected) return "saved";
    if (result.ok) {
      this.#confirm(attempt);
      return "saved";
    }
    const version = result.current?.version ?? result.version ?? 0;
    if (this.#claims({ state: result.current?.state, version })) return "saved";
    this.#conflict = { expectedVersion: expected, actualVersion: version };
    if (this.#port.counters !== undefined) this.#port.counters.conflicts += 1;
    return refusedAt(expected, version);
  }

  /** Counts a found record as stored if it is an own write of unknown outcome (H5). */
  #claims(found: Attempt): boolean {
    if (!this.#unknown.has(found)) return false;
    this.#confirm(found);
    return true;
  }

  #confirm({ version, state }: Attempt): void {
    this.#stored = version;
    this.#unknown.clear();
    this.#port.confirmed?.(version, state);
  }

  async #resolve(rebase: Rebase | undefined, first: SaveStep): Promise<void> {
    if (rebase === undefined) throw this.#conflictError(1);
    const { settings } = rebase;
    const again = (): Promise<SaveStep> => rebase.again().then(() => this.#write());
    const { signal } = (this.#retries = new AbortController());
    const exclusive = (): Promise<SaveStep> => rebase.exclusive(() => this.#write(), signal);
    try {
      const last = await retry({ ...settings, first, signal, attempt: again, exclusive });
      if (isRefused(last)) throw this.#conflictError(settings.cas.maxRetries + 1);
    } catch (error) {
      // The schema here refuses the other writer's state, so the record is kept.
      throw isHoldfastError(error, "STATE_INVALID") ? this.#conflictError(1, error) : error;
    }
  }

  #conflictError(attempts: number, cause?: unknown): ConcurrentModificationError {
    const context = { scope: this.#source.identity, cause };
    return new ConcurrentModificationError({ attempts, ...this.#conflict }, context);
  }
}
