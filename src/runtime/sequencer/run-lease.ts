/**
 * Leases of sequencer runs: only the owner of the lease executes a run.
 *
 * A lease ends with the run, when its runtime closes, and at once when its owner is known to have
 * ended. Any other owner may be running on a machine with another clock, so the time in the lease
 * is not enough to take it:
 *
 *  E1  A lease is over by time `CLOCK_SKEW_MS` after its stored end. This tolerates that much
 *      difference between the clocks of two processes, in either direction.
 *  E2  Before that, it is over for a reader that found its record unchanged for the duration of the
 *      lease, by its own monotonic clock. No two clocks are compared.
 *  E3  A lease whose end has not come by the reader's clock is refused at once. One whose end has
 *      come is watched (E2) within the call; any change of the record means that its owner is
 *      running.
 *
 * The owner's part is L1 of `run.ts`: it acts on a lease no longer than its duration.
 */
import { monotonic } from "../../../actors/time/clock.ts";
import {
  isHoldfastError,
  RunCancelledError,
  RunLeasedError,
  ScopeStoppedError,
} from "../../../actors/errors.ts";
import {
  describeOwner,
  isDead,
  readOwner,
  thisProcess,
} from "../../stores/shared/process-identity.ts";
import { copyIn } from "../../../actors/state/copy.ts";
import type { ScopeHost } from "../scope-host.ts";
import type { Lease, RunLog, StoredRun } from "./run-record.ts";

/** The latest time of a `Date`. */
const LATEST_MS = 8.64e15;
/** Most milliseconds by which two clocks may differ, or one may be set. */
const CLOCK_SKEW_MS = 60_000;
/** Reads of a watched lease in its duration; at least one per second. */
const LOOKS = 10;
const LOOK_MAX_MS = 1_000;
/** Most leases of other owners that are kept between calls; the oldest is dropped. */
const SEEN_MAX = 1_000;

/** Runtimes made by this copy of the module that are open; a lease of another one is over. */
const openRuntimes = new Set<string>();

interface Seen {
  readonly version: number;
  /** By the monotonic clock. */
  readonly since: number;
}

/** The leases of one runtime. */
export class RunLeases {
  /** The id of this runtime in leases. */
  readonly runtime: string;
  readonly #home: ScopeHost;
  readonly #seen = new Map<string, Seen>();
  /** Leases that are being stored. */
  readonly #taking = new Set<Promise<void>>();
  #closed = false;

  constructor(home: ScopeHost, runtime: string) {
    this.#home = home;
    this.runtime = runtime;
    openRuntimes.add(runtime);
  }

  /** Ends the remaining leases, for this copy of the module. */
  close(): void {
    openRuntimes.delete(this.runtime);
  }

  /**
   * No lease is taken from now on: the watch of a lease ends, and a lease that is being stored is
   * released before this resolves.
   */
  async stop(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#taking);
  }

  /**
   * Takes the lease, or rejects with `RunLeasedError`. Gives the time from which the lease is
   * owned, by the monotonic clock.
   */
  take(log: RunLog, leaseMs: number, change: Partial<StoredRun>): number | Promise<number> {
    if (log.shared) return this.#take(log, leaseMs, change);
    // No other process can reach the run: it needs no lease.
    log.write({ ...change, status: "running", wakeAt: null });
    return 0;
  }

  async #take(log: RunLog, leaseMs: number, change: Partial<StoredRun>): Promise<number> {
    await this.#wait(log, leaseMs);
    this.#refuseWhenClosed(log);
    const since = this.#now();
    const taking = this.#store(log, leaseMs, change);
    this.#taking.add(taking);
    await taking.finally(() => this.#taking.delete(taking));
    return since;
  }

  /** Stores the lease, or throws; releases it when the runtime has closed meanwhile. */
  async #store(log: RunLog, leaseMs: number, change: Partial<StoredRun>): Promise<void> {
    const lease = leaseOf(this.#home, this.runtime, leaseMs);
    log.write({ ...change, status: "running", lease, wakeAt: null });
    try {
      await log.flush();
      if (!this.#closed) return;
      log.write({ lease: null });
      await log.flush();
    } catch (error) {
      if (!isHoldfastError(error, "CONCURRENT_MODIFICATION")) throw error;
      await log.load();
      if (log.exists && log.record.status === "cancelled")
        throw new RunCancelledError(log.identity.id, { scope: log.identity, cause: error });
      throw leased(log, error);
    }
    this.#refuseWhenClosed(log);
  }

  #refuseWhenClosed({ identity: scope }: RunLog): void {
    if (this.#closed) throw new ScopeStoppedError({ scope });
  }

  /** Resolves when the lease of the record is over; rejects when its owner may be running. */
  async #wait(log: RunLog, leaseMs: number): Promise<void> {
    const { lease } = log.record;
    if (lease === null || this.#isOver(log, lease, leaseMs)) return;
    if (this.#home.clock.now() < lease.until) throw leased(log);
    const { version } = log;
    const pauseMs = Math.min(durationOf(lease, leaseMs) / LOOKS, LOOK_MAX_MS);
    do {
      await this.#pause(pauseMs);
      this.#refuseWhenClosed(log);
      await log.load();
      if (!log.exists || log.version !== version) throw leased(log);
    } while (!this.#isOver(log, lease, leaseMs));
  }

  /** True when the owner of a lease is known to have ended; no active run has such a lease. */
  isFree(lease: Lease): boolean {
    if (lease.runtime === this.runtime) return true;
    const owner = readOwner(lease.owner);
    if (owner?.instance === thisProcess().instance && !openRuntimes.has(lease.runtime)) return true;
    return owner !== undefined && isDead(owner);
  }

  #isOver(log: RunLog, lease: Lease, leaseMs: number): boolean {
    if (this.isFree(lease)) return true;
    if (this.#home.clock.now() >= lease.until + CLOCK_SKEW_MS) return true;
    return this.#seenFor(log) >= durationOf(lease, leaseMs);
  }

  /** How long the record has been unchanged, in milliseconds. */
  #seenFor({ identity: { id }, version }: RunLog): number {
    const now = this.#now();
    const seen = this.#seen.get(id);
    if (seen?.version === version) return now - seen.since;
    this.#seen.delete(id);
    this.#seen.set(id, { version, since: now });
    if (this.#seen.size > SEEN_MAX) {
      // A Map iterates in the order of insertion: removes the oldest.
      for (const oldest of this.#seen.keys()) {
        this.#seen.delete(oldest);
        break;
      }
    }
    return 0;
  }

  #now(): number {
    return monotonic(this.#home.clock);
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#home.clock.setTimeout(resolve, ms);
    });
  }
}

/** The duration of a lease; a lease of an earlier release has none. */
function durationOf(lease: Lease, leaseMs: number): number {
  return lease.leaseMs ?? leaseMs;
}

function leased(log: RunLog, cause?: unknown): RunLeasedError {
  const lease = log.exists ? log.record.lease : null;
  const owner = readOwner(lease?.owner);
  const holder =
    lease === null || owner === undefined
      ? "another process that changed it just now"
      : `${describeOwner(owner)} until ${new Date(lease.until).toISOString()}`;
  const { id: runId } = log.identity;
  return new RunLeasedError({ runId, holder }, { scope: log.identity, cause });
}

/** A lease of this process that starts now. */
export function leaseOf(home: ScopeHost, runtime: string, leaseMs: number): Lease {
  const until = Math.min(home.clock.now() + leaseMs, LATEST_MS);
  return copyIn({ owner: thisProcess(), runtime, until, leaseMs }, "lease");
}
