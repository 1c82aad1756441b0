/**
 * Write-behind of checkpoint scopes: mutations are answered from memory, and the newest state
 * follows to the store in the background.
 *
 *     mark v1 ──▶ (v2 in the same turn) ──▶ writing v2 ──▶ (meanwhile v3, v4) ──▶ writing v4 ──▶
 *     clean
 *
 * Invariants
 *  H1  At most one write is in flight; everything newer becomes one further write. The first write
 *      in the background starts when the turn of the event loop is over, with all it has marked.
 *  H2  A write carries the version it was made under and expects the version stored before it, so a
 *      stale owner can never overwrite a newer one.
 *  H3  `flush` resolves only when the state as it was at the call is stored, and rejects when a
 *      write failed; what is not stored stays marked and is written at the next occasion.
 *  H4  A failed background write is reported to the logger and counted, never swallowed.
 *  H5  A write whose outcome was unknown and that is found in the store counts as stored; one that
 *      was refused does not, however alike: then it is somebody else's.
 */
import { equal } from "./equal.ts";
import { ConcurrentModificationError, isHoldfastError } from "./errors.ts";
import type { CommitInfo, Logger, SaveResult, ScopeIdentity } from "./protocol.ts";

/** The scope being written down. */
export interface CheckpointSource {
  readonly identity: ScopeIdentity;
  readonly state: object;
  readonly version: number;
  /** False when it was deleted. */
  readonly exists: boolean;
  /** Called when everything is stored. */
  stored(): void;
}

/** Where checkpoints go. */
export interface CheckpointTarget {
  save(next: object, expectedVersion: number, commit: CommitInfo): Promise<SaveResult<object>>;
  delete(expectedVersion: number, version: number): Promise<SaveResult<object>>;
}

/** What a write carried; `state: undefined` deletes. */
interface Attempt {
  readonly version: number;
  readonly state: object | undefined;
}

/** Writes of unknown outcome that are remembered; an older one that arrived is a conflict. */
const DOUBTFUL_MAX = 16;

function endOfTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/** Writes one scope down behind its back. */
export class CheckpointWriter {
  readonly #source: CheckpointSource;
  readonly #target: CheckpointTarget;
  readonly #logger: Logger;
  #stored: number;
  #writing: Promise<void> | null = null;
  /** Callers waiting in `flush`. */
  #flushing = 0;
  /** Somebody in `flush` heard of the last failure. */
  #told = false;
  /** The background writes until there is nothing newer; while false they wait for a mark. */
  #following = false;
  /** Writes of unknown outcome since the last that arrived: one may have taken effect. */
  #doubtful: Attempt[] = [];
  /** Writes that failed so far. */
  errors = 0;
  /** Why the last write failed; `null` when it did not. */
  failure: unknown = null;

  constructor(source: CheckpointSource, target: CheckpointTarget, logger: Logger) {
    this.#source = source;
    this.#target = target;
    this.#logger = logger;
    this.#stored = source.version;
  }

  /** Everything is stored. */
  get clean(): boolean {
    return this.#writing === null && this.#stored === this.#source.version;
  }

  /** The version that is stored, as far as is known. */
  get storedVersion(): number {
    return this.#stored;
  }

  /** The state changed: write it soon. */
  mark(): void {
    if (!this.#following) void this.#follow();
  }

  /** Waits until the present state is stored; rejects with why it is not. */
  async flush(): Promise<void> {
    const wanted = this.#source.version;
    this.#flushing += 1;
    try {
      while (!this.clean && (this.#stored < wanted || this.#stored > this.#source.version))
        await this.#write();
    } finally {
      this.#flushing -= 1;
    }
  }

  /** The scope was read from the store and is at its version. */
  loaded(version: number): void {
    this.#stored = version;
    this.#doubtful = [];
    this.failure = null;
  }

  /** Writes as long as there is something newer than what is stored; never rejects. */
  async #follow(): Promise<void> {
    this.#following = true;
    await endOfTurn();
    try {
      while (!this.clean) await this.#write();
    } catch (error) {
      const { identity: scope, version } = this.#source;
      // Whoever waits in `flush` is told; the log is for a failure nobody else hears of.
      if (!this.#told) this.#logger.error("a checkpoint was not stored", { scope, version, error });
    }
    this.#following = false;
  }

  #write(): Promise<void> {
    this.#writing ??= this.#writeNewest();
    return this.#writing;
  }

  async #writeNewest(): Promise<void> {
    const expected = this.#stored;
    const { exists, state, version } = this.#source;
    const attempt = { version, state: exists ? state : undefined };
    try {
      const result = await this.#send(attempt, expected);
      // Unless the scope was read from the store meanwhile.
      if (this.#stored === expected) this.#stored = this.#reached(attempt, expected, result);
      this.#doubtful = [];
      this.failure = null;
    } catch (error) {
      this.errors += 1;
      this.failure = error;
      this.#told = this.#flushing > 0;
      throw error;
    } finally {
      this.#writing = null;
    }
    if (this.clean) this.#source.stored();
  }

  async #send(attempt: Attempt, expected: number): Promise<SaveResult<object>> {
    const { version, state } = attempt;
    try {
      return state === undefined
        ? await this.#target.delete(expected, version)
        : await this.#target.save(state, expected, { version, patches: [], operations: [] });
    } catch (error) {
      if (isHoldfastError(error, "COMMIT_UNKNOWN")) this.#doubtful.push(attempt);
      if (this.#doubtful.length > DOUBTFUL_MAX) this.#doubtful.shift();
      throw error;
    }
  }

  /** The version that is stored now; throws when it is not one of ours (H2, H5). */
  #reached(attempt: Attempt, expected: number, result: SaveResult<object>): number {
    if (result.ok) return attempt.version;
    const actualVersion = result.current?.version ?? result.version ?? 0;
    const isOurs = ({ version, state }: Attempt): boolean =>
      version === actualVersion && equal(state, result.current?.state);
    if (this.#doubtful.some(isOurs)) return actualVersion;
    const fields = { attempts: 1, expectedVersion: expected, actualVersion };
    throw new ConcurrentModificationError(fields, { scope: this.#source.identity });
  }
}
