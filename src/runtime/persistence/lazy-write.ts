/**
 * The write of one save, and the receiver of its result. Its state and its patches are encoded when
 * the store reads them, once: a store that needs no patches, or never sends a write, has no cost
 * for them.
 */
import type { Json, Patch, SaveResult } from "../../../actors/protocol.ts";
import type { SentSave } from "../../../actors/scope/save-answer.ts";
import { difference } from "../../../actors/state/diff.ts";
import { keepOf } from "../history-rule.ts";
import type { RecordRule } from "../kinds.ts";
import type { VersionedState } from "../kind-versions.ts";
import { encodeRows } from "./history-codec.ts";
import type { HistoryWrite, ScopeWrite, WriteResult } from "../../stores/contract.ts";
import { encodeChange, encodeRecord } from "./record-envelope.ts";

/** The record that is written. */
export interface WrittenRecord {
  readonly key: string;
  readonly rule: Pick<RecordRule, "tombstoneMs" | "versions" | "history" | "settings">;
  /** The state that is stored, when another version of the kind stored it; else `null`. */
  readonly unlifted: VersionedState | null;
  /** The state that the store has; `null`: it is not known. */
  readonly stored: object | null;
  /** Set when the store has read the patches of a write. */
  wantsPatches: boolean;
  /** Milliseconds until `state` expires; 0 = it is no record, `undefined` = never. */
  leftToLive(state: object): number | undefined;
  /** How many requests were made. */
  readonly requests: number;
  /** Converts the result of a write of `next`, `leftMs` its time; `isNews`: of the last request. */
  answer(result: WriteResult, next: object, isNews: boolean, leftMs: number): SaveResult<object>;
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
  /** The state under the patches; `null`: the store has another one, so there are none. */
  readonly #before: object | null;
  readonly #save: SentSave;
  readonly #unlifted: VersionedState | null;
  readonly #request: number;
  #encoded: Json | undefined = undefined;
  #history: HistoryWrite | undefined = undefined;

  constructor(record: WrittenRecord, next: object, save: SentSave) {
    this.key = record.key;
    this.expectedVersion = save.expected;
    this.version = save.expected + save.changes;
    this.ttlMs = record.leftToLive(next);
    this.tombstoneMs = record.rule.tombstoneMs;
    this.#record = record;
    this.#next = next;
    this.#before = record.stored === save.base ? save.base : null;
    this.#save = save;
    this.#unlifted = record.unlifted;
    this.#request = record.requests;
  }

  /** The result of the store. */
  answered(result: WriteResult): void {
    const record = this.#record;
    let answer: SaveResult<object>;
    try {
      const isNews = record.requests === this.#request;
      answer = record.answer(result, this.#next, isNews, this.ttlMs ?? Infinity);
    } catch (error) {
      return this.#save.failed(error); // What is stored there is damaged.
    }
    this.#save.answered(answer);
  }

  /** The failure of the store. */
  failed(error: unknown): void {
    this.#record.rule.settings.counters.storeErrors += 1;
    this.#save.failed(error);
  }

  get state(): Json {
    this.#encoded ??= encodeRecord(this.#next, this.#record.rule.versions.version);
    return this.#encoded;
  }

  get history(): HistoryWrite | undefined {
    const { history: limits, versions, settings } = this.#record.rule;
    const { info } = this.#save;
    if (limits === null || info?.changes === undefined) return undefined;
    const rule = { limits, kind: versions.version, unlifted: this.#unlifted };
    this.#history ??= {
      add: encodeRows(info.changes, this.#next, rule),
      keep: keepOf(limits, settings.clock.now()),
      fresh: info.created === true ? true : undefined,
    };
    return this.#history;
  }

  get patches(): readonly Patch[] | undefined {
    this.#record.wantsPatches = true;
    const before = this.#before;
    if (before === null) return undefined;
    // A change has patches, unless they were not recorded when it was made.
    const recorded = this.#save.patches;
    const patches = recorded.length > 0 ? recorded : difference(before, this.#next).patches;
    return encodeChange(before, this.#next, patches, this.#record.rule.versions.version);
  }
}
