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
 *  L3  The lease is released once, also when it is granted to a section that waits no longer.
 */
import { onAbort } from "./abort.ts";
import { ExclusiveLostError } from "../errors.ts";
import { monotonic, retryClock } from "../time/clock.ts";
import { outsideTurns } from "./reentrancy.ts";
import { adopt } from "./commit.ts";
import { foundIn, readAnswer, verification } from "./save-answer.ts";
import type { Clock, ExclusiveLease, PersistBridge, SaveResult } from "../protocol.ts";
import type { ScopeCore } from "./scope-core.ts";

/** How often a lease is renewed in its time. */
const RENEWALS = 3;

/** The lease of one record; see the head of this file. */
export class RecordLease {
  /** Rejects when the lease is lost; may never settle. */
  readonly lost: Promise<never>;
  /** Set when the lease is lost. */
  error: ExclusiveLostError | null = null;
  readonly #scope: ScopeCore;
  readonly #bridge: PersistBridge<object> | null;
  readonly #lease: ExclusiveLease | undefined;
  readonly #free: () => void;
  readonly #clock: Clock;
  #reject: (error: unknown) => void = () => undefined;
  #until = Infinity;
  #timer: unknown = null;
  #isOver = false;

  /** Without a `lease` the bridge keeps the record until `free`. */
  constructor(scope: ScopeCore, lease: ExclusiveLease | undefined, free: () => void) {
    this.#scope = scope;
    this.#bridge = scope.bridge;
    this.#lease = lease;
    this.#free = free;
    this.#clock = retryClock(scope.settings.clock);
    this.lost = new Promise((_, reject) => {
      this.#reject = reject;
    });
    this.lost.catch(() => undefined);
    if (scope.bridge !== null) scope.bridge = this.#fenced(scope.bridge);
    if (lease === undefined) return;
    this.#until = monotonic(this.#clock) + lease.ttlMs;
    this.#renewLater(lease);
  }

  /** Gives the record up; the scope has its own bridge again. */
  release(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#clock.clearTimeout(this.#timer);
    this.#scope.bridge = this.#bridge;
    if (this.error !== null) this.#scope.stale = true;
    this.#free();
  }

  /** A bridge whose calls fail with `ExclusiveLostError` once the lease is lost. */
  #fenced(bridge: PersistBridge<object>): PersistBridge<object> {
    const load = bridge.load?.bind(bridge);
    const remove = bridge.delete?.bind(bridge);
    const verify = bridge.verify?.bind(bridge);
    type Answer = Promise<SaveResult<object>>;
    const within = async (send: () => Answer): Answer => {
      this.#check();
      const answer = await send();
      if (!("current" in readAnswer(answer))) return answer;
      if (this.#lease !== undefined) await this.#renew(this.#lease);
      this.#check();
      return answer;
    };
    return {
      save: (...args) => within(() => bridge.save(...args)),
      ...(load !== undefined && { load }),
      ...(remove !== undefined && {
        delete: (version) => within(() => remove(version)),
      }),
      ...(verify !== undefined && {
        verify: (version) => within(() => verify(version)),
      }),
      exclusive: (work) => work(this.#lease), // The record is kept already.
    };
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
    // A store that cannot be reached now may be in time.
    const isKept = await lease.renew().catch(() => null);
    if (this.#isOver || this.error !== null) return;
    if (isKept === true) this.#until = Math.max(this.#until, sentAt + lease.ttlMs);
    if (isKept === false || monotonic(this.#clock) >= this.#until) this.#lose();
    else this.#renewLater(lease);
  }

  #lose(): void {
    this.#clock.clearTimeout(this.#timer);
    this.error = new ExclusiveLostError("lease", { scope: this.#scope.identity });
    this.#reject(this.error);
  }
}

/** A record that is kept, and the end of its keeping at the store. */
export interface KeptRecord {
  readonly lease: RecordLease;
  /** Resolves when the store has released it. */
  readonly released: Promise<void>;
}

/**
 * Keeps the record of a scope that is claimed, and adopts it; resolves to `null` for a scope whose
 * store excludes no other owner. Rejects with the reason of the signal, and with what the store
 * threw.
 */
export async function keepRecord(
  scope: ScopeCore,
  signal: AbortSignal,
): Promise<KeptRecord | null> {
  const bridge = scope.backing;
  if (bridge?.exclusive === undefined) return null;
  const kept = await leaseFrom(scope, bridge.exclusive.bind(bridge), signal);
  try {
    await bringUpToDate(scope, bridge, () => !signal.aborted);
    signal.throwIfAborted();
    return kept;
  } catch (error) {
    kept.lease.release();
    await kept.released;
    throw error;
  }
}

function leaseFrom(
  scope: ScopeCore,
  exclusive: NonNullable<PersistBridge<object>["exclusive"]>,
  signal: AbortSignal,
): Promise<KeptRecord> {
  return new Promise((resolve, reject) => {
    const unwatch = onAbort(signal, () => reject(signal.reason));
    const whileKept = async (lease?: ExclusiveLease): Promise<void> => {
      unwatch();
      if (signal.aborted) return; // L3
      await new Promise<void>((free) =>
        resolve({ lease: new RecordLease(scope, lease, free), released }),
      );
    };
    const options = { waitMs: Infinity, signal, section: true };
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
