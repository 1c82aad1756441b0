/**
 * Write-behind of checkpoint scopes: mutations are answered from memory, and the newest state follows
 * to the store in the background.
 *
 *     mark ──▶ writing v1 ──▶ (marks meanwhile: v2, v3, v4) ──▶ writing v4 ──▶ clean
 *
 * Invariants
 *  H1  At most one write is in flight; everything newer becomes one further write.
 *  H2  A write carries the version it was made under and expects the version stored before it, so a
 *      stale owner can never overwrite a newer one.
 *  H3  `flush` resolves only when the state as it was at the call is stored, and rejects when a write
 *      failed; what is not stored stays marked and is written at the next occasion.
 *  H4  A failed background write is reported to the logger and counted, never swallowed.
 */
import { ConcurrentModificationError } from "./errors.ts";
import type { CommitInfo, Logger, SaveResult, ScopeIdentity } from "./protocol.ts";

/** The scope being written down. */
export interface CheckpointSource {
  readonly identity: ScopeIdentity;
  readonly state: object;
  readonly version: number;
  /** False when it was deleted. */
  readonly exists: boolean;
}

/** Where checkpoints go. */
export interface CheckpointTarget {
  save(next: object, expectedVersion: number, commit: CommitInfo): Promise<SaveResult<object>>;
  delete(expectedVersion: number, version: number): Promise<SaveResult<object>>;
}

/** Writes one scope down behind its back. */
export class CheckpointWriter {
  readonly #source: CheckpointSource;
  readonly #target: CheckpointTarget;
  readonly #logger: Logger;
  #stored: number;
  #writing: Promise<void> | null = null;
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

  /** The state changed: write it soon. */
  mark(): void {
    if (this.#writing !== null) return; // The write in flight looks again when it is done (H1).
    void this.#write().catch((error: unknown) => {
      const { identity: scope, version } = this.#source;
      this.#logger.error("a checkpoint was not stored", { scope, version, error });
    });
  }

  /** Waits until the present state is stored; rejects with why it is not. */
  async flush(): Promise<void> {
    while (!this.clean) await this.#write();
  }

  /** The scope was read from the store and is at its version. */
  loaded(version: number): void {
    this.#stored = version;
    this.failure = null;
  }

  #write(): Promise<void> {
    this.#writing ??= this.#writeNewest()
      .catch((error: unknown) => {
        this.errors += 1;
        this.failure = error;
        throw error;
      })
      .finally(() => {
        this.#writing = null;
      });
    return this.#writing;
  }

  async #writeNewest(): Promise<void> {
    while (this.#stored !== this.#source.version) {
      const expected = this.#stored;
      const { exists, state, version } = this.#source;
      const result = exists
        ? await this.#target.save(state, expected, { version, patches: [], operations: [] })
        : await this.#target.delete(expected, version);
      if (!result.ok) throw this.#conflict(expected, result);
      if (this.#stored === expected) this.#stored = version;
      this.failure = null;
    }
  }

  #conflict(
    expectedVersion: number,
    found: Extract<SaveResult<object>, { ok: false }>,
  ): ConcurrentModificationError {
    const actualVersion = found.current?.version ?? found.version ?? 0;
    const fields = { attempts: 1, expectedVersion, actualVersion };
    return new ConcurrentModificationError(fields, { scope: this.#source.identity });
  }
}
