/**
 * The bridge from a scope to a store: encodes, batches with the other scopes of the tick, decodes.
 *
 * Invariants
 *  V1  Nothing is built on a damaged record: one that is missing, or older than one this bridge has
 *      seen, without another explanation (`last-seen.ts`). Each read rejects with `CORRUPT_STATE`,
 *      logged, until `forget` accepts the record found.
 *  V2  Only the result of the newest request updates `lastSeen`. An earlier request's result that
 *      arrives late may be older or newer than the record the newest request finds.
 */
import { CorruptStateError, isHoldfastError } from "../../../actors/errors.ts";
import type {
  BridgeExclusiveOptions,
  CommitInfo,
  ExclusiveLease,
  Tombstone,
  PersistBridge,
  SaveResult,
  ScopeIdentity,
  Stored,
} from "../../../actors/protocol.ts";
import { isError } from "../../../actors/realm.ts";
import type { ScopeSettings } from "../../../actors/scope/options.ts";
import { GatheringBridge, type SentSave } from "../../../actors/scope/save-answer.ts";
import { decodeRecord } from "./record-envelope.ts";
import { LazyWrite, type WrittenRecord } from "./lazy-write.ts";
import {
  type ScopeWrite,
  type StateStore,
  type StoredRecord,
  TOMBSTONE_MS,
  type WriteResult,
} from "../../stores/contract.ts";
import { LastSeen } from "./last-seen.ts";
import type { BatchingStore, TogetherOptions } from "./batching-store.ts";
import { isShared } from "../store-users.ts";
import { lift, type VersionedState } from "../kind-versions.ts";
import type { RecordRule } from "../kinds.ts";
import { endOf, leftToLive } from "../life.ts";

/** What a bridge is made from. */
export interface BridgeParts {
  readonly key: string;
  readonly identity: ScopeIdentity;
  readonly rule: RecordRule;
}

/** The results of a write that others send go to them. */
const UNSENT = { answered: () => undefined, failed: () => undefined };

/** The bridge of one scope. */
export class RecordBridge extends GatheringBridge implements PersistBridge<object>, WrittenRecord {
  readonly key: string;
  readonly rule: RecordRule;
  readonly #batched: BatchingStore;
  readonly identity: ScopeIdentity;
  /** The known versions of the record (V1). */
  readonly lastSeen: LastSeen;
  /** Counts the requests (V2). */
  requests = 0;
  /** The stored state; `null` when there is none or it is unknown. */
  stored: object | null = null;
  /** The record as it was read, while another version of the kind has stored it. */
  unlifted: VersionedState | null = null;
  /** The scope, which a save builds on; set for one that saves each change. */
  scope: { readonly state: object } | null = null;
  /** The store has read the patches of a write: from now on they are recorded. */
  wantsPatches = false;
  /** When the scope's state expires, if not only its kind decides that. */
  endsAt: (() => number) | null = null;
  /** When the state last read expires, by itself or by the store; `undefined`: unknown. */
  until: number | undefined;

  constructor(batched: BatchingStore, parts: BridgeParts) {
    super();
    this.#batched = batched;
    this.key = parts.key;
    this.identity = parts.identity;
    this.rule = parts.rule;
    this.lastSeen = new LastSeen(this.settings.clock);
  }

  /** Milliseconds until a state expires; 0 = it is no record, `undefined` = never. */
  leftToLive(state: object): number | undefined {
    const { rule, endsAt } = this;
    if (endsAt === null && rule.livesUntil === undefined) return rule.ttlMs;
    const now = this.settings.clock.now();
    if (endsAt === null) return leftToLive(rule, state, now);
    const leftMs = Math.max(0, endsAt() - now);
    return leftMs === Infinity ? undefined : leftMs;
  }

  get settings(): ScopeSettings {
    return this.rule.settings;
  }

  get store(): StateStore {
    return this.#batched.store;
  }

  async load(): Promise<Stored<object> | Tombstone | undefined> {
    const request = ++this.requests;
    const record = await this.#counting(this.#batched.load(this.key));
    const isNews = request === this.requests;
    if (record !== undefined) return this.#decode(record, isNews);
    if (isNews) this.#found(0);
    return undefined;
  }

  /** Returns `ok` when the store still has `expectedVersion`, else the stored record. */
  async verify(expectedVersion: number): Promise<SaveResult<object>> {
    if (!isShared(this.store)) return { ok: true, version: expectedVersion };
    const request = ++this.requests;
    const result = await this.#counting(this.#batched.verify(this.key, expectedVersion));
    return result.ok ? result : this.#refused(result.current, request === this.requests);
  }

  /** Makes the next read accept any version (V1): `refresh` adopts on purpose. */
  forget(): void {
    this.lastSeen.forget();
  }

  gather(executor: { send(): void }): void {
    this.#batched.writes.gather(executor);
  }

  send(next: object, save: SentSave): void {
    this.requests += 1;
    const write = new LazyWrite(this, next, save);
    this.stored = null; // Until the result shows the stored record.
    const sent = write.ttlMs === 0 ? this.deletion(write.expectedVersion, write.version) : write;
    if (this.#batched.kept.size === 0) return this.#batched.writes.put(sent, write);
    this.#batched.commit(sent, this).then(write.answered.bind(write), write.failed.bind(write));
  }

  save(next: object, expectedVersion: number, commit: CommitInfo): Promise<SaveResult<object>> {
    return this.#commit(this.write(next, expectedVersion, commit), next);
  }

  delete(
    expectedVersion: number,
    version: number = expectedVersion + 1,
  ): Promise<SaveResult<object>> {
    return this.#commit(this.deletion(expectedVersion, version), null);
  }

  /** The write of a delete. */
  deletion(expectedVersion: number, version: number): ScopeWrite {
    const { key, rule } = this;
    return { key, expectedVersion, version, state: undefined, tombstoneMs: rule.tombstoneMs };
  }

  get keeps(): boolean {
    const { store } = this;
    return store.exclusive !== undefined || store.supports.shared === false;
  }

  /** Runs `work` while no other owner can commit the record. */
  exclusive<T>(
    work: (lease?: ExclusiveLease) => Promise<T>,
    options?: BridgeExclusiveOptions,
  ): Promise<T> {
    const ttlMs = options?.section === true ? this.rule.exclusiveLeaseMs : undefined;
    const request = { ...options, owner: this, clock: this.settings.clock, ttlMs };
    return this.#batched.exclusive(this.key, request, work);
  }

  /** Sends writes of this store's scopes as one batch. */
  together(writes: readonly ScopeWrite[], options: TogetherOptions): Promise<WriteResult[]> {
    return this.#counting(this.#batched.commitTogether(writes, options));
  }

  /** The write of one save, for a multi-scope commit; an expired state is deleted. */
  write(next: object, expectedVersion: number, commit: CommitInfo): ScopeWrite {
    this.requests += 1;
    const { patches, version } = commit;
    const base = this.scope?.state ?? null;
    const sent = { expected: expectedVersion, changes: version - expectedVersion, base, patches };
    const write = new LazyWrite(this, next, { ...sent, ...UNSENT, info: commit });
    return write.ttlMs === 0 ? this.deletion(expectedVersion, version) : write;
  }

  /** Converts a store's result of the write of `next`, which then expires after `leftMs`. */
  answer(
    result: WriteResult,
    next: object | null,
    isNews = true,
    leftMs: number | undefined = next === null ? 0 : this.leftToLive(next),
  ): SaveResult<object> {
    if (!result.ok) return this.#refused(result.current, isNews);
    if (!isNews) return result;
    this.unlifted = null;
    this.stored = leftMs === 0 ? null : next;
    this.#saw(leftMs === 0 ? 0 : result.version, leftMs);
    return result;
  }

  #refused(current: StoredRecord | undefined, isNews: boolean): SaveResult<object> {
    if (current === undefined && isNews) this.#found(0);
    if (current === undefined) return { ok: false, current };
    const found = this.#decode(current, isNews);
    return found.state === undefined
      ? { ok: false, current: undefined, version: found.version }
      : { ok: false, current: found };
  }

  async #commit(write: ScopeWrite, next: object | null): Promise<SaveResult<object>> {
    this.stored = null; // Until the result shows the stored record.
    const request = ++this.requests;
    const result = await this.#counting(this.#batched.commit(write, this));
    return this.answer(result, next, request === this.requests);
  }

  /** Counts a request that the store fails. */
  async #counting<T>(request: Promise<T>): Promise<T> {
    try {
      return await request;
    } catch (error) {
      this.settings.counters.storeErrors += 1;
      throw error;
    }
  }

  #learn({ version, state, leftMs }: StoredRecord): void {
    this.#found(version);
    this.#saw(state === undefined ? 0 : version, leftMs);
    this.until = undefined;
    this.stored = null;
    this.unlifted = null;
  }

  /** When a state that was read now expires; `undefined`: unknown. */
  #untilOf(state: object, { leftMs }: StoredRecord): number | undefined {
    const { livesUntil } = this.rule;
    if (livesUntil === undefined)
      return leftMs === undefined ? undefined : this.settings.clock.now() + leftMs;
    const end = endOf(livesUntil, state);
    return end === 0 ? undefined : end;
  }

  #decode(record: StoredRecord, isNews: boolean): Stored<object> | Tombstone {
    const { version, state } = record;
    if (isNews) this.#learn(record);
    if (state === undefined) return { state, version };
    try {
      const found = decodeRecord(state);
      const decoded = lift(this.rule.versions, found, this.identity);
      const until = this.#untilOf(decoded, record);
      if (isNews) this.until = until;
      // It may have expired although the store still has it.
      if (until !== undefined && until <= this.settings.clock.now())
        return { state: undefined, version };
      if (!isNews) return { state: decoded, version };
      if (found.kindVersion === this.rule.versions.version) this.stored = decoded;
      else if (this.rule.history !== null) this.unlifted = found;
      return { state: decoded, version };
    } catch (cause) {
      if (isHoldfastError(cause)) throw cause;
      const location = this.#location;
      const reason = isError(cause) ? cause.message : "it is not a state";
      throw new CorruptStateError({ location, reason }, { scope: this.identity, cause });
    }
  }

  #saw(version: number, leftMs = Infinity): void {
    const { supports, tombstoneMs = TOMBSTONE_MS } = this.#batched.store;
    const keptMs =
      supports.tombstonesEnd === true ? (this.rule.tombstoneMs ?? tombstoneMs) : Infinity;
    this.lastSeen.saw(version, Math.min(leftMs, keptMs));
  }

  get #location(): string {
    return `${this.store.name} record ${this.key}`;
  }

  /** Throws `CorruptStateError` when the record is damaged (V1). */
  #found(version: number): void {
    const known = this.lastSeen.version;
    if (!this.lastSeen.isDamage(version)) return;
    const what = version === 0 ? "and is missing now" : `and version ${version} is stored now`;
    const reason = `version ${known} was stored ${what}; refresh() adopts what is there`;
    const scope = this.identity;
    this.settings.logger.error("a stored record went back", { scope, known, found: version });
    throw new CorruptStateError({ location: this.#location, reason }, { scope });
  }
}
