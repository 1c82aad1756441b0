/**
 * Keeps the record of a scope at its store during an exclusive section: no other owner of the store
 * commits it.
 *
 *     keepRecord ──▶ bridge.exclusive ──▶ renew, each third of its time ──▶ release
 *                                           └──refused, or too late──▶ lost
 *
 * Invariants
 *  L1  A lost lease stays lost. From then on no write of the section is sent, and one that was sent
 *      is refused by the store, which knows the lease too.
 *  L2  A refusal of the store during a lease means another version, or a lost lease; the store is
 *      asked which.
 *  L3  The lease is released once, also when it is granted to a section that waits no longer. The
 *      scope has its own bridge then, whatever other lease of it is released late.
 *  L4  A write that begins after the time of the lease waits until the store has renewed it. A
 *      lease whose renewal has no answer in its time, or in one third of it more, is lost.
 */
import { onAbort } from "./abort.ts";
import { ExclusiveLostError } from "../errors.ts";
import { monotonic, retryClock } from "../time/clock.ts";
import { outsideTurns } from "./reentrancy.ts";
import { adopt } from "./commit.ts";
import { foundIn, readAnswer, verification } from "./save-answer.ts";
import type {
  BridgeExclusiveOptions,
  Clock,
  ExclusiveLease,
  PersistBridge,
  SaveResult,
} from "../protocol.ts";
import type { ScopeCore } from "./scope-core.ts";

/** How often a lease is renewed in its time. */
const RENEWALS = 3;

/** The bridge under a bridge that a lease has made. */
const beneath = new WeakMap<PersistBridge<object>, PersistBridge<object>>();

/** The lease of one record; see the head of this file. */
export class RecordLease {
  /** Rejects when the lease is lost; may never settle. */
  readonly lost: Promise<never>;
  /** Set when the lease is lost. */
  error: ExclusiveLostError | null = null;
  /** Resolves when the store has released the record. */
  readonly #released: Promise<void>;
  readonly #scope: ScopeCore;
  readonly #fence: PersistBridge<object> | null;
  readonly #lease: ExclusiveLease | undefined;
  readonly #free: () => void;
  readonly #clock: Clock;
  #reject: (error: unknown) => void = () => undefined;
  #until = Infinity;
  #timer: unknown = null;
  #isOver = false;

  /** Without a `lease` the bridge keeps the record until `free`; then `released` resolves. */
  constructor(
    scope: ScopeCore,
    lease: ExclusiveLease | undefined,
    { free, released }: { readonly free: () => void; readonly released: Promise<void> },
  ) {
    this.#scope = scope;
    this.#lease = lease;
    this.#free = free;
    this.#released = released;
    this.#clock = retryClock(scope.settings.clock);
    this.lost = new Promise((_, reject) => {
      this.#reject = reject;
    });
    this.lost.catch(() => undefined);
    this.#fence = this.#fenced(ownBridge(scope));
    scope.bridge = this.#fence;
    if (lease === undefined) return;
    this.#until = monotonic(this.#clock) + lease.ttlMs;
    this.#renewLater(lease);
  }

  /** Releases the record, once; the scope has its own bridge again. */
  release(): Promise<void> {
    if (this.#isOver) return this.#released;
    this.#isOver = true;
    this.#clock.clearTimeout(this.#timer);
    if (this.#scope.bridge === this.#fence) this.#scope.bridge = ownBridge(this.#scope);
    if (this.error !== null) this.#scope.stale = true;
    this.#free();
    return this.#released;
  }

  /** A bridge whose calls fail with `ExclusiveLostError` once the lease is lost. */
  #fenced(bridge: PersistBridge<object> | null): PersistBridge<object> | null {
    if (bridge === null) return null;
    const load = bridge.load?.bind(bridge);
    const remove = bridge.delete?.bind(bridge);
    const verify = bridge.verify?.bind(bridge);
    type Answer = Promise<SaveResult<object>>;
    const within = async (send: () => Answer): Answer => {
      if (monotonic(this.#clock) >= this.#until) await this.#verify();
      this.#check();
      const answer = await send();
      if (!("current" in readAnswer(answer))) return answer;
      await this.#verify();
      this.#check();
      return answer;
    };
    const fence: PersistBridge<object> = {
      save: (...args) => within(() => bridge.save(...args)),
      ...(load && { load }),
      ...(remove && { delete: (version) => within(() => remove(version)) }),
      ...(verify && { verify: (version) => within(() => verify(version)) }),
      exclusive: (work) => work(this.#lease), // The record is kept already.
    };
    beneath.set(fence, bridge);
    return fence;
  }

  /** Asks the store whether the lease is lost. */
  async #verify(): Promise<void> {
    if (this.#lease !== undefined && this.error === null && !this.#isOver)
      await this.#renew(this.#lease);
  }

  /** Throws once the lease is lost. */
  #check(): void {
    if (this.error !== null) throw this.error;
  }

  #renewLater(lease: ExclusiveLease): void {
    this.#clock.clearTimeout(this.#timer);
    const renew = (): void => void outsideTurns(() => this.#renew(lease));
    this.#timer = this.#clock.setTimeout(renew, Math.max(1, lease.ttlMs / RENEWALS));
  }

  async #renew(lease: ExclusiveLease): Promise<void> {
    const sentAt = monotonic(this.#clock);
    const leftMs = Math.max(this.#until - sentAt, lease.ttlMs / RENEWALS);
    this.#clock.clearTimeout(this.#timer);
    this.#timer = this.#clock.setTimeout(() => this.#lose(), leftMs);
    // A store that cannot be reached now may be in time.
    const isKept = await lease.renew().catch(() => null);
    if (this.#isOver || this.error !== null) return;
    if (isKept === true) this.#until = Math.max(this.#until, sentAt + lease.ttlMs);
    if (isKept === false || monotonic(this.#clock) >= this.#until) this.#lose();
    else this.#renewLater(lease);
  }

  #lose(): void {
    if (this.#isOver || this.error !== null) return;
    this.#clock.clearTimeout(this.#timer);
    this.error = new ExclusiveLostError("lease", { scope: this.#scope.identity });
    this.#reject(this.error);
  }
}

/** The bridge of a scope without that of a lease. */
function ownBridge({ bridge }: ScopeCore): PersistBridge<object> | null {
  return (bridge && beneath.get(bridge)) ?? bridge;
}

/** How a claim waits for its record, and for what. */
export type RecordWait = Required<Pick<BridgeExclusiveOptions, "section">> & {
  readonly signal: AbortSignal;
};

/**
 * Keeps the record of a scope that is claimed, and adopts it; resolves to `null` for a scope whose
 * store excludes no other owner. Rejects with the reason of the signal, and with what the store
 * threw.
 */
export async function keepRecord(scope: ScopeCore, wait: RecordWait): Promise<RecordLease | null> {
  const bridge = scope.backing;
  const { signal } = wait;
  if (bridge?.exclusive === undefined) return null;
  const kept = await leaseFrom(scope, bridge.exclusive.bind(bridge), wait);
  try {
    await bringUpToDate(scope, bridge, () => !signal.aborted);
    signal.throwIfAborted();
    return kept;
  } catch (error) {
    await kept.release();
    throw error;
  }
}

function leaseFrom(
  scope: ScopeCore,
  exclusive: NonNullable<PersistBridge<object>["exclusive"]>,
  wait: RecordWait,
): Promise<RecordLease> {
  const { signal } = wait;
  return new Promise((resolve, reject) => {
    const unwatch = onAbort(signal, () => reject(signal.reason));
    const whileKept = async (lease?: ExclusiveLease): Promise<void> => {
      unwatch();
      if (signal.aborted) return reject(signal.reason); // L3
      await new Promise<void>((free) => resolve(new RecordLease(scope, lease, { free, released })));
    };
    const options = { waitMs: Infinity, ...wait };
    // Called later, so that `released` is set before a record is kept at once.
    const work = Promise.resolve().then(() => outsideTurns(() => exclusive(whileKept, options)));
    work.catch(reject);
    const released = work.catch(() => undefined);
  });
}

/** The section builds on what the store has, whatever this process has seen of it. */
async function bringUpToDate(
  scope: ScopeCore,
  bridge: PersistBridge<object>,
  isWanted: () => boolean,
): Promise<void> {
  if (scope.bridge === null || scope.stale) return scope.reload(isWanted);
  const answer = await verification(bridge, scope.version, scope.identity);
  if ("current" in answer && isWanted()) adopt(scope, foundIn(answer));
}
