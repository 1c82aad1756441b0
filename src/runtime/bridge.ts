/**
 * The bridge from a scope to a store: encodes, batches with the other scopes of the tick, decodes.
 */
import { CorruptStateError, isHoldfastError } from "../../actors/errors.ts";
import type {
  CommitInfo,
  Gone,
  Json,
  Patch,
  PersistBridge,
  SaveResult,
  ScopeIdentity,
  Stored,
} from "../../actors/protocol.ts";
import { decodeState, encodePatches, encodeState } from "../stores/codec.ts";
import { gather } from "../stores/gather.ts";
import type { ScopeWrite, StateStore, StoredRecord, WriteResult } from "../stores/store.ts";

/** Milliseconds an escalated save may hold a record for itself. */
const EXCLUSIVE_TTL_MS = 5_000;

/** A store with its requests gathered per tick; shared by all scopes on that store. */
export interface BatchedStore {
  readonly store: StateStore;
  readonly load: (key: string) => Promise<StoredRecord | undefined>;
  readonly commit: (write: ScopeWrite) => Promise<WriteResult>;
}

/** Gathers the loads and the commits of a store. */
export function batchedStore(store: StateStore): BatchedStore {
  return {
    store,
    load: gather((keys: readonly string[]) => store.load(keys)),
    commit: gather((writes: readonly ScopeWrite[]) => store.commit(writes)),
  };
}

/** What a save is besides its state. */
interface SaveOf {
  readonly expectedVersion: number;
  readonly commit: CommitInfo;
  readonly ttlMs: number | undefined;
}

/** A write whose state and patches are encoded when the store asks for them. */
class LazyWrite implements ScopeWrite {
  readonly key: string;
  readonly expectedVersion: number;
  readonly version: number;
  readonly ttlMs: number | undefined;
  readonly #next: object;
  readonly #before: object | null;
  readonly #patches: readonly Patch[];
  #encoded: Json | undefined;

  constructor(bridge: StoreBridge, next: object, { expectedVersion, commit, ttlMs }: SaveOf) {
    this.key = bridge.key;
    this.expectedVersion = expectedVersion;
    this.version = commit.version;
    this.ttlMs = ttlMs;
    this.#next = next;
    this.#before = bridge.confirmed?.() ?? null;
    this.#patches = commit.patches;
  }

  get state(): Json {
    this.#encoded ??= encodeState(this.#next);
    return this.#encoded;
  }

  get patches(): readonly Patch[] | undefined {
    if (this.#before === null || this.#patches.length === 0) return undefined;
    return encodePatches(this.#before, this.#patches);
  }
}

/** Milliseconds a state has left to live; 0 = it is no record, `undefined` = for ever. */
export type LeftToLive = (state: object) => number | undefined;

/** One scope's way to its store. */
export class StoreBridge implements PersistBridge<object> {
  readonly key: string;
  readonly #leftToLive: LeftToLive;
  readonly #batched: BatchedStore;
  readonly #identity: ScopeIdentity;
  /** The confirmed state, on which a save's patches build; set once the scope exists. */
  confirmed: (() => object) | null = null;
  /** Milliseconds the record last read had left to live, when the store says so. */
  leftMs: number | undefined;

  constructor(
    batched: BatchedStore,
    parts: { key: string; identity: ScopeIdentity; leftMs: LeftToLive },
  ) {
    this.#batched = batched;
    this.key = parts.key;
    this.#identity = parts.identity;
    this.#leftToLive = parts.leftMs;
  }

  get store(): StateStore {
    return this.#batched.store;
  }

  async load(): Promise<Stored<object> | Gone | undefined> {
    const record = await this.#batched.load(this.key);
    return record === undefined ? undefined : this.#decode(record);
  }

  async save(
    next: object,
    expectedVersion: number,
    commit: CommitInfo,
  ): Promise<SaveResult<object>> {
    return this.answer(await this.#batched.commit(this.write(next, expectedVersion, commit)));
  }

  async delete(
    expectedVersion: number,
    version: number = expectedVersion + 1,
  ): Promise<SaveResult<object>> {
    const { key } = this;
    const write = { key, expectedVersion, version, state: undefined };
    return this.answer(await this.#batched.commit(write));
  }

  /** Runs `turn` while no other owner can commit the record; only called when the store can. */
  exclusive<T>(turn: () => Promise<T>): Promise<T> {
    const { store } = this.#batched;
    if (store.exclusive === undefined) return turn();
    return store.exclusive(this.key, EXCLUSIVE_TTL_MS, turn);
  }

  /** The write of one save, for a commit together with others; a state without life is deleted. */
  write(next: object, expectedVersion: number, commit: CommitInfo): ScopeWrite {
    const ttlMs = this.#leftToLive(next);
    if (ttlMs !== 0) return new LazyWrite(this, next, { expectedVersion, commit, ttlMs });
    return { key: this.key, expectedVersion, version: commit.version, state: undefined };
  }

  /** A store's answer in the kernel's words. */
  answer(result: WriteResult): SaveResult<object> {
    if (result.ok) return result;
    const { current } = result;
    if (current === undefined) return { ok: false, current: undefined };
    const found = this.#decode(current);
    return found.state === undefined
      ? { ok: false, current: undefined, version: found.version }
      : { ok: false, current: found };
  }

  #decode(record: StoredRecord): Stored<object> | Gone {
    const { version, state, leftMs } = record;
    this.leftMs = leftMs;
    if (state === undefined) return { state, version };
    try {
      return { state: decodeState(state), version };
    } catch (cause) {
      if (isHoldfastError(cause)) throw cause;
      const location = `${this.store.name} record ${this.key}`;
      const reason = cause instanceof Error ? cause.message : "it is not a state";
      throw new CorruptStateError({ location, reason }, { scope: this.#identity, cause });
    }
  }
}
