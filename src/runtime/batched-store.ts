/**
 * A store as all scopes on it share it: requests are gathered per tick, and while one scope has its
 * exclusive turn, other runtimes on the same store object wait with that record.
 *
 * A store keeps other processes out of a turn; that its own object counts as one owner is its
 * contract, so keeping runtimes of one process apart is done here.
 */
import { type ErrorCode, isHoldfastError } from "../../actors/errors.ts";
import type { Clock } from "../../actors/protocol.ts";
import { gather } from "../stores/gather.ts";
import type { ScopeWrite, StateStore, StoredRecord, WriteResult } from "../stores/store.ts";
import { checkWrites } from "../stores/write-check.ts";
import { checkedRecords, checkedResults } from "./store-answer.ts";

/** Milliseconds an exclusive turn may keep a record. */
const EXCLUSIVE_TTL_MS = 5_000;

/** A turn that keeps a record. */
interface Keeping {
  readonly owner: object;
  readonly over: Promise<void>;
}

/** A damaged record or a state that cannot be stored is nobody else's failure. */
const OF_ONE: ReadonlySet<string> = new Set<ErrorCode>([
  "CORRUPT_STATE",
  "STATE_NOT_SERIALIZABLE",
  "STATE_TOO_LARGE",
]);

function isOfOne(error: unknown): boolean {
  return isHoldfastError(error) && OF_ONE.has(error.code);
}

const shared = new WeakMap<StateStore, BatchedStore>();

/** The one `BatchedStore` of a store object. */
export function batchedStore(store: StateStore): BatchedStore {
  const known = shared.get(store) ?? new BatchedStore(store);
  shared.set(store, known);
  return known;
}

/** A store with its requests gathered; see the head of this file. */
export class BatchedStore {
  readonly store: StateStore;
  readonly load: (key: string) => Promise<StoredRecord | undefined>;
  readonly #commit: (write: ScopeWrite) => Promise<WriteResult>;
  readonly #kept = new Map<string, Keeping>();
  /** What was sent for a record and is not answered: a turn begins after it. */
  readonly #sent = new Map<string, Promise<unknown>>();

  constructor(store: StateStore) {
    this.store = store;
    this.load = gather({
      run: async (keys: readonly string[]) => checkedRecords(await store.load(keys), keys.length),
      isOfOne,
    });
    this.#commit = gather({
      run: async (writes: readonly ScopeWrite[]) =>
        checkedResults(await store.commit(writes), writes.length),
      isOfOne,
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
   * Sends several writes as one batch of their own; waits while somebody else keeps one of their
   * records.
   */
  async commitTogether(
    writes: readonly ScopeWrite[],
    { atomic, owners }: TogetherOptions,
  ): Promise<WriteResult[]> {
    const kept = (): Keeping | undefined =>
      writes
        .map(({ key }) => this.#kept.get(key))
        .find((keeping) => keeping !== undefined && !owners.has(keeping.owner));
    for (let keeping = kept(); keeping !== undefined; keeping = kept()) await keeping.over;
    const keys = writes.map(({ key }) => key);
    const results = await this.#send(
      keys,
      atomic ? this.store.commit(writes, { atomic }) : this.store.commit(writes),
    );
    return checkedResults(results, writes.length);
  }

  /** Runs `turn` while nobody else commits `key`, for at most the time of an exclusive turn. */
  exclusive<T>(key: string, { owner, clock }: ExclusiveOwner, turn: () => Promise<T>): Promise<T> {
    const keep = (): Promise<T> => this.#keep(key, { owner, clock }, turn);
    const { store } = this;
    return store.exclusive === undefined ? keep() : store.exclusive(key, EXCLUSIVE_TTL_MS, keep);
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

  async #keep<T>(
    key: string,
    { owner, clock }: ExclusiveOwner,
    turn: () => Promise<T>,
  ): Promise<T> {
    for (let kept = this.#kept.get(key); kept !== undefined; kept = this.#kept.get(key))
      await kept.over;
    let timer: unknown;
    const running = Promise.resolve(this.#sent.get(key)).then(turn);
    const over = new Promise<void>((resolve) => {
      timer = clock.setTimeout(resolve, EXCLUSIVE_TTL_MS);
      running.then(
        () => resolve(),
        () => resolve(),
      );
    }).then(() => {
      clock.clearTimeout(timer);
      if (this.#kept.get(key)?.over === over) this.#kept.delete(key);
    });
    this.#kept.set(key, { owner, over });
    return running;
  }
}

/** How several writes are sent. */
export interface TogetherOptions {
  /** All or none. */
  readonly atomic: boolean;
  /** Whose writes they are. */
  readonly owners: ReadonlySet<unknown>;
}

/** Who has an exclusive turn. */
export interface ExclusiveOwner {
  readonly owner: object;
  readonly clock: Clock;
}
