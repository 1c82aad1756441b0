/**
 * The changes of a checkpoint scope that wait to be stored, as its history keeps them. They go with
 * the save of the version that the last of them made.
 *
 *     [v4][v5] ──save of v5──▶ stored        [v6] ──another writer has v6 and v7──▶ [v8: since v7]
 *
 * Invariants
 *  U1  The changes lead from the stored version to the present one without a gap.
 *  U2  After a conflict the changes that were made again are one change, as they are one version.
 *  U3  `fresh` says that the stored rows, if there are any, are of an earlier record.
 */
import { committedChange } from "../../../actors/scope/commit-batch.ts";
import type { Call, Outcome } from "../../../actors/scope/mailbox.ts";
import type { Done } from "../../../actors/scope/unconfirmed.ts";
import type { CommitInfo, CommittedChange } from "../../../actors/protocol.ts";
import { difference } from "../../../actors/state/diff.ts";
import type { ScopeSettings } from "../../../actors/scope/options.ts";

/** The scope whose changes are kept. */
interface ChangedScope {
  readonly version: number;
  readonly exists: boolean;
  readonly settings: Pick<ScopeSettings, "clock" | "history">;
}

/** What a scope adopted in place of its state: another state with its own changes on it. */
export interface Rebased {
  /** The version and the state of the other writer. */
  readonly since: number;
  readonly before: object;
  /** There was none. */
  readonly created: boolean;
  readonly version: number;
  readonly next: object;
  /** Something was made again. */
  readonly changed: boolean;
}

/** See the head of this file. */
export class UnstoredHistory {
  readonly #scope: ChangedScope;
  #changes: CommittedChange[] = [];
  /** The version at which there was no record; `null`: there is one. */
  #endedAt: number | null;
  /** It ended by a delete, which is made again after a conflict. */
  #isDeleted = false;

  constructor(scope: ChangedScope) {
    this.#scope = scope;
    this.#endedAt = scope.exists ? null : scope.version;
  }

  /** The changes so far, oldest first. */
  get changes(): readonly CommittedChange[] {
    return this.#changes;
  }

  /** See U3. */
  get fresh(): boolean {
    return this.#endedAt !== null;
  }

  /** Keeps the change that made the present version. */
  note(done: Done, call: Call | null, outcome: Outcome | undefined): void {
    const { settings, version } = this.#scope;
    if (!settings.history) return;
    if (typeof done === "string" || outcome === undefined) {
      [this.#changes, this.#endedAt] = [[], version];
      this.#isDeleted = done === "delete";
      return;
    }
    const named = { version, timestamp: settings.clock.now(), meta: call?.options?.meta };
    this.#changes.push(committedChange(done, outcome, named));
  }

  /** The part of a save of `version`. */
  commit(version: number): Pick<CommitInfo, "changes" | "created"> {
    if (!this.#scope.settings.history) return {};
    const changes = this.#changes.filter((change) => change.version <= version);
    return { changes, created: this.fresh };
  }

  /** Everything up to `version` is stored. */
  confirm(version: number): void {
    const wasChanged = this.#changes.some((change) => change.version <= version);
    if (wasChanged) this.#ended(null);
    this.#changes = this.#changes.filter((change) => change.version > version);
  }

  /** The scope was read from the store. */
  loaded(version: number, exists: boolean): void {
    this.#changes = [];
    this.#ended(exists ? null : version);
  }

  /** The changes were made again on the state of another writer (U2). */
  rebased({ since, before, created, version, next, changed }: Rebased): void {
    const { settings } = this.#scope;
    if (!settings.history) return;
    const isFresh = created || this.#isDeleted;
    const { patches, inverse: inversePatches } = difference(before, next);
    const operation = changed ? "update" : "refresh";
    const timestamp = settings.clock.now();
    const change = { version, since, operation, patches, inversePatches, timestamp } as const;
    this.#changes = [change];
    if (!isFresh) this.#ended(null);
  }

  #ended(version: number | null): void {
    this.#endedAt = version;
    this.#isDeleted = false;
  }
}
