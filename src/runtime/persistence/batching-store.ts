/**
 * A store as all scopes on it share it: requests are gathered per tick, writes and version checks
 * into one batch, and while one scope has its exclusive turn, other runtimes on the same store
 * object wait with that record.
 *
 * A store keeps other processes out of a turn; that its own object counts as one owner is its
 * contract, so keeping runtimes of one process apart is done here.
 */
import { type ErrorCode, isHoldfastError, StoreUnavailableError } from "../../../actors/errors.ts";
import type { Clock, ExclusiveLease, ExclusiveWait } from "../../../actors/protocol.ts";
import { unlessAborted } from "../../../actors/scope/abort.ts";
import { monotonic } from "../../../actors/time/clock.ts";
import { batchPerTick } from "./batch-per-tick.ts";
import type {
  CommitOptions,
  ScopeWrite,
  StateStore,
  StoredRecord,
  VersionCheck,
  WriteResult,
} from "../../stores/contract.ts";
import { checkWrites } from "../../stores/shared/writes.ts";
import { checkedRecords, checkedResults } from "./store-answer.ts";

/** Milliseconds for which the last attempt of a save may keep a record. */
const ATTEMPT_LEASE_MS = 5_000;

/** A turn that keeps a record. */
interface Keeping {
  readonly owner: object;
  readonly over: Promise<void>;
}

/** A damaged record or a state that cannot be stored fails one request, not its neighbours. */
const OF_ONE: ReadonlySet<string> = new Set<ErrorCode>([
  "CORRUPT_STATE",
  "STATE_NOT_SERIALIZABLE",
  "STATE_TOO_LARGE",
]);

function isOfOne(error: unknown): boolean {
  return isHoldfastError(error) && OF_ONE.has(error.code);
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
  readonly load: (key: string) => Promise<StoredRecord | undefined>;
  readonly #commit: (request: ScopeWrite | VersionCheck) => Promise<WriteResult>;
  readonly #check: (request: VersionCheck) => Promise<WriteResult>;
  /** Who is notified of erased keys. */
  readonly erasures: Set<(keys: readonly string[]) => void> = new Set();
  readonly #kept = new Map<string, Keeping>();
  /** What was sent for a record and is not answered: a turn begins after it. */
  readonly #sent = new Map<string, Promise<unknown>>();

  constructor(store: StateStore) {
    this.store = store;
    const isImmediate = store.supports.immediate === true;
    this.load = batchPerTick({
      run: async (keys: readonly string[]) => checkedRecords(await store.load(keys), keys.length),
      isOfOne,
      isImmediate,
    });
    this.#commit = batchPerTick({
      run: (requests: readonly (ScopeWrite | VersionCheck)[]) => commitBatch(store, requests),
      isOfOne,
      isImmediate,
    });
    this.#check = batchPerTick({
      run: (checks: readonly VersionCheck[]) => commitWith(store, [], { checks }),
      isOfOne,
      isImmediate,
    });
  }

  /**
   * Resolves to whether a record still has a version, else to what is there. It is asked without
   * writes when those it went with failed: that is nothing to it.
   */
  verify(key: string, expectedVersion: number): Promise<WriteResult> {
    const check = { key, expectedVersion };
    return this.#commit(check).catch((error: unknown) => {
      if (!isHoldfastError(error, "COMMIT_UNKNOWN")) throw error;
      return this.#check(check);
    });
  }

  /** Sends a write; waits before that while another owner keeps its record. */
  async commit(write: ScopeWrite, owner: object): Promise<WriteResult> {
    checkWrites([write]); // Here, because a store refuses the whole batch for it.
    const kept = this.#kept.size === 0 ? undefined : this.#kept.get(write.key);
    if (kept === undefined || kept.owner === owner)
      return this.#send([write.key], this.#commit(write));
    return kept.over.then(() => this.commit(write, owner));
  }

  /**
   * Sends several writes and checks as one batch of their own; waits while another owner keeps one
   * of the records to write. The results of the checks follow those of the writes.
   */
  async commitTogether(
    writes: readonly ScopeWrite[],
    { atomic = false, owners, checks = [] }: TogetherOptions,
  ): Promise<WriteResult[]> {
    const kept = (): Keeping | undefined =>
      writes
        .map(({ key }) => this.#kept.get(key))
        .find((keeping) => keeping !== undefined && !owners.has(keeping.owner));
    for (let keeping = kept(); keeping !== undefined; keeping = kept()) await keeping.over;
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
    const work = store.erase?.(keys) ?? Promise.all(keys.map((key) => deleteOf(store, key)));
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
    if (store.exclusive === undefined)
      return this.#keep(key, { ...request, ttlMs, renew: () => Promise.resolve(true) }, turn);
    const whileKept = (lease = endingLease(request.clock, ttlMs)): Promise<T> =>
      this.#keep(key, { ...request, ttlMs, renew: () => lease.renew() }, turn);
    return store.exclusive(key, ttlMs, whileKept, { waitMs, signal });
  }

  /** Notes that `keys` are being written until `answer` is there; gives the answer. */
  #send<T>(keys: readonly string[], answer: Promise<T>): Promise<T> {
    for (const key of keys) {
      const earlier = this.#sent.get(key);
      const both = earlier === undefined ? answer : Promise.allSettled([earlier, answer]);
      const forget = (): void => {
        if (this.#sent.get(key) === settled) this.#sent.delete(key);
      };
      const settled: Promise<void> = both.then(forget, forget);
      this.#sent.set(key, settled);
    }
    return answer;
  }

  /** Keeps runtimes on this store object out until `turn` or its lease ends. */
  async #keep<T>(
    key: string,
    { owner, clock, ttlMs, signal, ...lease }: ExclusiveRequest & ExclusiveLease,
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
    this.#kept.set(key, { owner, over });
    extend();
    try {
      await this.#sent.get(key);
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

/** Commits a gathered batch; the results have the order of the requests. */
async function commitBatch(
  store: StateStore,
  requests: readonly (ScopeWrite | VersionCheck)[],
): Promise<WriteResult[]> {
  const writes = requests.filter(isWrite);
  if (writes.length === requests.length) return commitWith(store, writes, {});
  const checks = requests.filter((request) => !isWrite(request));
  const results = await commitWith(store, writes, { checks });
  const [written, checked] = [results.values(), results.slice(writes.length).values()];
  // There is a result for each request.
  return requests.map((each) => (isWrite(each) ? written : checked).next().value as WriteResult);
}

function isWrite(request: ScopeWrite | VersionCheck): request is ScopeWrite {
  return "version" in request;
}

/** Commits writes and verifies checks, by `load` where the store takes no checks. */
async function commitWith(
  store: StateStore,
  writes: readonly ScopeWrite[],
  { atomic = false, checks = [] }: CommitOptions,
): Promise<WriteResult[]> {
  const options = atomic ? { atomic } : undefined;
  if (checks.length === 0)
    return checkedResults(await store.commit(writes, options), writes.length);
  if (store.supports.checks === true) {
    const results = await store.commit(writes, { ...options, checks });
    return checkedResults(results, writes.length + checks.length);
  }
  // Read first: a batch that is atomic is not sent when one of its checks fails.
  const records = checkedRecords(await store.load(checks.map(({ key }) => key)), checks.length);
  const checked = checks.map(({ expectedVersion }, index): WriteResult => {
    const current = records[index];
    const version = current?.version ?? 0;
    return version === expectedVersion ? { ok: true, version } : { ok: false, current };
  });
  if (writes.length === 0) return checked;
  if (atomic && !checked.every(({ ok }) => ok))
    return [...(await refusal(store, writes)), ...checked];
  return [...checkedResults(await store.commit(writes, options), writes.length), ...checked];
}

/** Attempts to delete a record that others write meanwhile. */
const DELETE_ATTEMPTS = 10;

/** Deletes a record, whatever its version; answers whether there was one. */
async function deleteOf(store: StateStore, key: string): Promise<boolean> {
  for (let attempt = 0; attempt < DELETE_ATTEMPTS; attempt += 1) {
    const [record] = checkedRecords(await store.load([key]), 1);
    if (record?.state === undefined) return false;
    const expectedVersion = record.version;
    const version = expectedVersion + 1;
    const write = { key, expectedVersion, version, state: undefined, tombstoneMs: 0 };
    const [result] = checkedResults(await store.commit([write]), 1);
    if (result?.ok === true) return true;
  }
  throw new StoreUnavailableError(`the ${store.name} record is written all the time; try again`);
}

/** What is there in place of writes that were not sent. */
async function refusal(store: StateStore, writes: readonly ScopeWrite[]): Promise<WriteResult[]> {
  const records = checkedRecords(await store.load(writes.map(({ key }) => key)), writes.length);
  return records.map((current) => ({ ok: false, current }));
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
