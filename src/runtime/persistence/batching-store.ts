/**
 * A store as all scopes on it share it: requests are gathered per tick, writes and version checks
 * into one batch, and while one scope has its exclusive turn, other runtimes on the same store
 * object wait with that record.
 *
 * A store keeps other processes out of a turn; that its own object counts as one owner is its
 * contract, so keeping runtimes of one process apart is done here.
 */
import { type ErrorCode, isHoldfastError } from "../../../actors/errors.ts";
import type { Clock, ExclusiveLease, ExclusiveWait } from "../../../actors/protocol.ts";
import { unlessAborted } from "../../../actors/scope/abort.ts";
import { monotonic } from "../../../actors/time/clock.ts";
import { BatchPerTick } from "../../stores/shared/batch-per-tick.ts";
import type {
  CommitOptions,
  ScopeWrite,
  StateStore,
  StoredRecord,
  VersionCheck,
  WriteResult,
} from "../../stores/contract.ts";
import { isRefusedWrite } from "../../stores/shared/writes.ts";
import { checkedRecords, commitBatch, commitWith, deleteAll, refusal } from "./store-batch.ts";

/** Milliseconds for which the last attempt of a save may keep a record. */
const ATTEMPT_LEASE_MS = 5_000;

/** A turn that keeps a record. */
interface Keeping {
  readonly owner: object;
  readonly over: Promise<void>;
  /** A section of a user, which may last: others are refused and wait with a signal. */
  readonly lasts: boolean;
}

/**
 * A damaged record, a state that cannot be stored, or a write that `checkWrites` refuses fails one
 * request, not its neighbours.
 */
const OF_ONE: ReadonlySet<string> = new Set<ErrorCode>([
  "CORRUPT_STATE",
  "STATE_NOT_SERIALIZABLE",
  "STATE_TOO_LARGE",
]);

function isOfOne(error: unknown): boolean {
  return isHoldfastError(error) ? OF_ONE.has(error.code) : isRefusedWrite(error);
}

const shared = new WeakMap<StateStore, BatchingStore>();

/** The one `BatchingStore` of a store object. */
export function batchingStore(store: StateStore): BatchingStore {
  const known = shared.get(store) ?? new BatchingStore(store);
  shared.set(store, known);
  return known;
}

/** A store with its requests gathered; see the head of this file. */
export class BatchingStore {
  readonly store: StateStore;
  readonly #loads: BatchPerTick<string, StoredRecord | undefined>;
  /** The writes of scopes; while a turn keeps a record they come here by `commit`. */
  readonly writes: BatchPerTick<ScopeWrite | VersionCheck, WriteResult>;
  readonly #checks: BatchPerTick<VersionCheck, WriteResult>;
  /** Keys to be erased, each without regard to the others; the answer says nothing. */
  readonly erases: BatchPerTick<string, undefined>;
  /** Who is notified of erased keys. */
  readonly erasures: Set<(keys: readonly string[]) => void> = new Set();
  /** The records that turns keep. */
  readonly kept: ReadonlyMap<string, object>;
  readonly #kept = new Map<string, Keeping>();
  /** What was sent apart from the batches and is not answered, with its keys. */
  readonly #apart = new Map<Promise<unknown>, readonly string[]>();

  constructor(store: StateStore) {
    this.store = store;
    this.kept = this.#kept;
    const rules = { isOfOne, isImmediate: store.supports.immediate === true };
    this.erases = new BatchPerTick({
      run: (keys) => this.erase(keys).then(() => keys.map(() => undefined)),
      ...rules,
    });
    this.#loads = new BatchPerTick({
      run: async (keys) => checkedRecords(await store.load(keys), keys.length),
      ...rules,
    });
    this.writes = new BatchPerTick({ run: commitBatch.bind(null, store), ...rules });
    this.#checks = new BatchPerTick({ run: commitBatch.bind(null, store), ...rules });
  }

  load(key: string): Promise<StoredRecord | undefined> {
    return this.#loads.add(key);
  }

  /**
   * Resolves to whether a record still has a version, else to what is there. It is asked without
   * writes when those it went with failed: that is nothing to it.
   */
  verify(key: string, expectedVersion: number): Promise<WriteResult> {
    const check = { key, expectedVersion };
    return this.writes.add(check).catch((error: unknown) => {
      if (!isHoldfastError(error, "COMMIT_UNKNOWN")) throw error;
      return this.#checks.add(check);
    });
  }

  /** Sends a write; waits, or is refused, while another owner keeps its record. */
  commit(write: ScopeWrite, owner: object): Promise<WriteResult> {
    const kept = this.#kept.get(write.key);
    if (kept === undefined || kept.owner === owner) return this.writes.add(write);
    return kept.lasts
      ? this.load(write.key).then((current) => ({ ok: false, current }))
      : kept.over.then(() => this.commit(write, owner));
  }

  /**
   * Sends several writes and checks as one batch of their own; waits, or is refused if it is
   * atomic, while another owner keeps one of the records to write. The results of the checks follow
   * those of the writes.
   */
  async commitTogether(
    writes: readonly ScopeWrite[],
    { atomic = false, owners, checks = [] }: TogetherOptions,
  ): Promise<WriteResult[]> {
    const kept = (): Keeping | undefined =>
      writes
        .map(({ key }) => this.#kept.get(key))
        .find((keeping) => keeping !== undefined && !owners.has(keeping.owner));
    for (let keeping = kept(); keeping !== undefined; keeping = kept()) {
      if (atomic && keeping.lasts)
        return [
          ...(await refusal(this.store, writes)),
          ...(await commitWith(this.store, [], { checks })),
        ];
      await keeping.over;
    }
    const keys = writes.map(({ key }) => key);
    return this.#send(keys, commitWith(this.store, writes, { checks, ...(atomic && { atomic }) }));
  }

  /**
   * Removes all that is stored under these keys; resolves to whether there was something. A store
   * that cannot gets deletes whose tombstones are over at once. All runtimes on this store object
   * are notified, for it reports to other owners only; also when it fails, for it may be done.
   */
  async erase(keys: readonly string[]): Promise<boolean> {
    const kept = (): Keeping | undefined =>
      keys.map((key) => this.#kept.get(key)).find((keeping) => keeping !== undefined);
    for (let keeping = kept(); keeping !== undefined; keeping = kept()) await keeping.over;
    const { store } = this;
    const work = store.erase?.(keys) ?? deleteAll(store, keys);
    try {
      return (await this.#send(keys, work)).includes(true);
    } finally {
      for (const notify of this.erasures) notify(keys);
    }
  }

  /**
   * Runs `turn` while no other owner commits `key`, for at most the time of a lease; `turn` may
   * renew it. The lease of a store that renews none ends at its first time.
   */
  exclusive<T>(
    key: string,
    request: ExclusiveRequest,
    turn: (lease: ExclusiveLease) => Promise<T>,
  ): Promise<T> {
    const { ttlMs = ATTEMPT_LEASE_MS, waitMs, signal } = request;
    const { store } = this;
    const lasts = request.ttlMs !== undefined;
    if (store.exclusive === undefined)
      return this.#keep(
        key,
        { ...request, ttlMs, lasts, renew: () => Promise.resolve(true) },
        turn,
      );
    const whileKept = (lease = endingLease(request.clock, ttlMs)): Promise<T> =>
      this.#keep(key, { ...request, ttlMs, lasts, renew: () => lease.renew() }, turn);
    return store.exclusive(key, ttlMs, whileKept, { waitMs, signal });
  }

  /** Notes that `keys` are being written until `answer` is there; resolves to the answer. */
  async #send<T>(keys: readonly string[], answer: Promise<T>): Promise<T> {
    this.#apart.set(answer, keys);
    try {
      return await answer;
    } finally {
      this.#apart.delete(answer);
    }
  }

  /** Resolves when all that was sent for a record so far is answered: a turn begins after it. */
  async #answered(key: string): Promise<void> {
    const apart = [...this.#apart].filter(([, keys]) => keys.includes(key));
    await Promise.allSettled(apart.map(([answer]) => answer));
    await this.writes.answered((request) => request.key === key);
  }

  /** Keeps runtimes on this store object out until `turn` or its lease ends. */
  async #keep<T>(
    key: string,
    {
      owner,
      clock,
      ttlMs,
      signal,
      lasts,
      ...lease
    }: ExclusiveRequest & ExclusiveLease & Pick<Keeping, "lasts">,
    turn: (lease: ExclusiveLease) => Promise<T>,
  ): Promise<T> {
    for (let kept = this.#kept.get(key); kept !== undefined; kept = this.#kept.get(key))
      await unlessAborted(kept.over, signal);
    let end: (() => void) | undefined;
    let timer: unknown;
    const over = new Promise<void>((resolve) => {
      end = resolve;
    }).then(() => {
      clock.clearTimeout(timer);
      if (this.#kept.get(key)?.over === over) this.#kept.delete(key);
    });
    const isKept = (): boolean => this.#kept.get(key)?.over === over;
    const extend = (): void => {
      clock.clearTimeout(timer);
      timer = clock.setTimeout(() => end?.(), ttlMs);
    };
    this.#kept.set(key, { owner, over, lasts });
    extend();
    try {
      await this.#answered(key);
      const renewed = async (): Promise<boolean> => {
        if (!isKept() || !(await lease.renew()) || !isKept()) return false;
        extend();
        return true;
      };
      return await turn({ ttlMs, renew: renewed });
    } finally {
      end?.();
    }
  }
}

/** The lease of a store that renews none: it is kept until its time is over. */
function endingLease(clock: Clock, ttlMs: number): ExclusiveLease {
  const until = monotonic(clock) + ttlMs;
  return { ttlMs, renew: async () => monotonic(clock) < until };
}

/** How several writes are sent. */
export interface TogetherOptions extends CommitOptions {
  /** Whose writes they are. */
  readonly owners: ReadonlySet<unknown>;
}

/** Who keeps a record, for how long, and how it waits for it. */
export interface ExclusiveRequest extends ExclusiveWait {
  readonly owner: object;
  readonly clock: Clock;
  /** The time of the lease in milliseconds; default that of one attempt of a save. */
  readonly ttlMs?: number | undefined;
}
