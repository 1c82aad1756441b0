/**
 * The write of one save. Its state and its patches are encoded when the store reads them, once: a
 * store that needs no patches, or never sends a write, has no cost for them.
 */
import type { CommitInfo, Json, Patch } from "../../../actors/protocol.ts";
import { difference } from "../../../actors/state/diff.ts";
import { keepOf } from "../history-rule.ts";
import type { RecordRule } from "../kinds.ts";
import type { VersionedState } from "../kind-versions.ts";
import { encodeRows } from "./history-codec.ts";
import type { HistoryWrite, ScopeWrite } from "../../stores/contract.ts";
import { encodeChange, encodeRecord } from "./record-envelope.ts";

/** The record that is written. */
export interface WrittenRecord {
  readonly key: string;
  readonly rule: Pick<RecordRule, "tombstoneMs" | "versions" | "history" | "settings">;
  /** The state that is stored, when another version of the kind stored it; else `null`. */
  readonly unlifted: VersionedState | null;
  /** The state under the patches; `null`: the store has another one, so there are none. */
  readonly patchBase: object | null;
  /** Set when the store has read the patches of a write. */
  wantsPatches: boolean;
  /** Milliseconds until `state` expires; 0 = it is no record, `undefined` = never. */
  leftToLive(state: object): number | undefined;
}

/** One write; see the head of this file. */
export class LazyWrite implements ScopeWrite {
  readonly key: string;
  readonly expectedVersion: number;
  readonly version: number;
  readonly ttlMs: number | undefined;
  readonly tombstoneMs: number | undefined;
  readonly #record: WrittenRecord;
  readonly #next: object;
  readonly #before: object | null;
  readonly #commit: CommitInfo;
  readonly #unlifted: VersionedState | null;
  #encoded: Json | undefined;
  #history: HistoryWrite | undefined;

  constructor(record: WrittenRecord, next: object, expectedVersion: number, commit: CommitInfo) {
    this.key = record.key;
    this.expectedVersion = expectedVersion;
    this.version = commit.version;
    this.ttlMs = record.leftToLive(next);
    this.tombstoneMs = record.rule.tombstoneMs;
    this.#record = record;
    this.#next = next;
    this.#before = record.patchBase;
    this.#unlifted = record.unlifted;
    this.#commit = commit;
  }

  get state(): Json {
    this.#encoded ??= encodeRecord(this.#next, this.#record.rule.versions.version);
    return this.#encoded;
  }

  get history(): HistoryWrite | undefined {
    const { history: limits, versions, settings } = this.#record.rule;
    const { changes, created } = this.#commit;
    if (limits === null || changes === undefined) return undefined;
    const rule = { limits, kind: versions.version, unlifted: this.#unlifted };
    this.#history ??= {
      add: encodeRows(changes, this.#next, rule),
      keep: keepOf(limits, settings.clock.now()),
      fresh: created === true ? true : undefined,
    };
    return this.#history;
  }

  get patches(): readonly Patch[] | undefined {
    this.#record.wantsPatches = true;
    const before = this.#before;
    if (before === null) return undefined;
    // A change has patches, unless they were not recorded when it was made.
    const recorded = this.#commit.patches;
    const patches = recorded.length > 0 ? recorded : difference(before, this.#next).patches;
    return encodeChange(before, this.#next, patches, this.#record.rule.versions.version);
  }
}
