/**
 * Resumes interrupted runs: those whose lease is over, whose sleep is over, and whose suspension
 * has ended by its time.
 *
 * All records are read once, and again when reports of the store may have been lost; afterwards
 * only those that a report names. A store without `watch` that others use is read in each interval.
 *
 * Invariants
 *  B1  Of runs that can become due it is kept in memory when, and nothing of other runs. Where the
 *      store reports changes, nothing is read while none is due and nothing was reported.
 *  B2  Runs that failed, were cancelled or are completed are left alone, and so are suspended ones
 *      before their time is over. A run that does not fit the steps of its sequencer is not
 *      changed, and is logged once.
 *  B3  A step that ends its process each time is not started for ever: the record counts its starts
 *      after an interruption, and the run fails with the last of them.
 */
import { isHoldfastError } from "../../../actors/errors.ts";
import {
  countOption,
  optionNames,
  positiveOption,
  refuseUnknown,
} from "../../../actors/scope/options.ts";
import { typeName } from "../../../actors/state/copy.ts";
import type { WheelHandle } from "../../../actors/time/timer-wheel.ts";
import { isWatchable } from "../replication/remote-changes.ts";
import type { ScopeHost } from "../scope-host.ts";
import { isShared } from "../store-users.ts";
import { type AnySequencer, refuseNoSequencer } from "./define.ts";
import type { Executions } from "./executions.ts";
import type { RunLogs } from "./run-logs.ts";
import type { StoredRun } from "./run-record.ts";

/** Default of `intervalMs`. */
const INTERVAL_MS = 1_000;
/** Default of `maxStarts`. */
const STARTS_MAX = 10;
/** Most runs that one interval resumes. */
const RESUMED_MAX = 1_000;

/** Options of `recover`. */
export interface RecoverOptions {
  /** Milliseconds between two looks for due runs; default 1 000. */
  readonly intervalMs?: number | undefined;
  /**
   * How often a step is started again whose process ended in it, without an effect, a sleep or a
   * suspension that was stored since; then the run fails with `RunAbandonedError`. Default 10.
   */
  readonly maxStarts?: number | undefined;
}

/** A recovery that goes on until it is stopped. */
export interface RecoveryHandle extends Disposable {
  /** Resumes no further run; runs that were resumed continue. May be called twice. */
  stop(): void;
}

/** What a recovery uses of the runs of its runtime. */
export interface RecoveryPort {
  readonly home: ScopeHost;
  readonly logs: RunLogs;
  readonly executions: Executions;
  /** Continues a run if it is still due. */
  readonly continue: (
    sequencer: AnySequencer,
    runId: string,
    maxStarts: number,
  ) => Promise<unknown>;
}

/** When a run becomes due, without its states. */
interface Pending extends Pick<
  StoredRun,
  "runId" | "sequencer" | "updatedAt" | "wakeAt" | "lease"
> {
  /** When its suspension ends, of a suspended run. */
  readonly timeoutAt: number | undefined;
}

const OPTIONS = optionNames<RecoverOptions>({ intervalMs: true, maxStarts: true });

/** Resumes the due runs of some sequencers; see the head of this file. */
export class Recovery implements RecoveryHandle {
  readonly #port: RecoveryPort;
  readonly #sequencers = new Map<string, AnySequencer>();
  readonly #intervalMs: number;
  readonly #maxStarts: number;
  /** Runs that can become due. */
  readonly #waiting = new Map<string, Pending>();
  /** Runs to read. */
  readonly #reported = new Set<string>();
  /** Runs that do not fit their sequencer, until they change. */
  readonly #changed = new Map<string, number>();
  readonly #prefix: string;
  #all = true;
  /** The store had other users, which may have left interrupted runs. */
  #isShared = false;
  #timer: WheelHandle | null = null;
  #stopped = false;

  constructor(port: RecoveryPort, sequencers: readonly AnySequencer[], options: RecoverOptions) {
    refuseUnknown("recover", options, OPTIONS);
    if (!Array.isArray(sequencers))
      throw new TypeError(`recover takes a list of sequencers, received ${typeName(sequencers)}`);
    for (const sequencer of sequencers) this.#add(sequencer);
    this.#intervalMs = positiveOption("intervalMs", options.intervalMs, INTERVAL_MS);
    this.#maxStarts = countOption("maxStarts", options.maxStarts, STARTS_MAX, 1);
    this.#port = port;
    this.#prefix = port.home.key("sequencer", "");
    port.home.watch();
    port.home.reports.add(this.#onReport);
    port.executions.ends.add(this.#onEnd);
    void this.#look();
  }

  stop(): void {
    this.#stopped = true;
    const { home, executions } = this.#port;
    home.reports.delete(this.#onReport);
    executions.ends.delete(this.#onEnd);
    if (this.#timer !== null) home.wheel.cancel(this.#timer);
    this.#timer = null;
  }

  [Symbol.dispose](): void {
    this.stop();
  }

  readonly #onReport = (key: string | null): void => {
    if (key === null) this.#all = true;
    else if (key.startsWith(this.#prefix)) this.#reported.add(key.slice(this.#prefix.length));
  };

  readonly #onEnd = (runId: string): void => {
    this.#reported.add(runId);
  };

  #add(sequencer: AnySequencer): void {
    refuseNoSequencer("recover takes sequencers", sequencer);
    const { name } = sequencer;
    if (this.#sequencers.has(name)) throw new TypeError(`recover has two sequencers "${name}"`);
    this.#sequencers.set(name, sequencer);
  }

  async #look(): Promise<void> {
    try {
      await this.#read();
      this.#resume();
    } catch (error) {
      this.#all = true; // Read again in the next interval.
      if (!this.#isOver) this.#port.home.logger.error("runs could not be looked for", { error });
    }
    if (this.#isOver) return this.stop();
    this.#timer = this.#port.home.wheel.schedule(this.#intervalMs, () => this.#look());
  }

  get #isOver(): boolean {
    return this.#stopped || this.#port.executions.closed;
  }

  async #read(): Promise<void> {
    const { home, logs } = this.#port;
    const { store } = home.kind("sequencer");
    this.#isShared ||= isShared(store);
    if (this.#all || (this.#isShared && !isWatchable(store))) {
      this.#all = false;
      for await (const record of logs.records()) this.#consider(record);
    }
    const reported = [...this.#reported];
    this.#reported.clear();
    await Promise.all(
      reported.map(async (runId) => {
        const record = await logs.read(runId);
        if (record === undefined) this.#drop(runId);
        else this.#consider(record);
      }),
    );
  }

  /** Keeps a run that can become due. */
  #consider({ runId, sequencer, status, suspension, updatedAt, wakeAt, lease }: StoredRun): void {
    const timeoutAt = suspension?.timeoutAt;
    const canBeDue = status === "running" || (status === "suspended" && timeoutAt !== undefined);
    if (!canBeDue || !this.#sequencers.has(sequencer)) return this.#drop(runId);
    if (this.#changed.get(runId) === updatedAt) return void this.#waiting.delete(runId);
    this.#waiting.set(runId, { runId, sequencer, updatedAt, wakeAt, lease, timeoutAt });
  }

  #drop(runId: string): void {
    this.#waiting.delete(runId);
    this.#changed.delete(runId);
  }

  #resume(): void {
    let resumed = 0;
    for (const record of this.#waiting.values()) {
      if (this.#isOver || resumed >= RESUMED_MAX) return;
      if (!this.#isDue(record)) continue;
      resumed += 1;
      this.#waiting.delete(record.runId);
      void this.#continue(record);
    }
  }

  #isDue({ runId, timeoutAt, lease, wakeAt }: Pending): boolean {
    const { home, executions } = this.#port;
    if (executions.active(runId)) return false;
    const now = home.clock.now();
    if (timeoutAt !== undefined) return now >= timeoutAt;
    if (wakeAt !== null && now < wakeAt) return false;
    return lease === null || now >= lease.until || executions.leases.isFree(lease);
  }

  async #continue(run: Pending): Promise<void> {
    const { runId } = run;
    const sequencer = this.#sequencers.get(run.sequencer);
    if (sequencer === undefined) return;
    try {
      await this.#port.continue(sequencer, runId, this.#maxStarts);
    } catch (error) {
      if (this.#isOver || isHoldfastError(error, "RUN_CANCELLED")) return;
      if (isHoldfastError(error, "SEQUENCER_CHANGED")) this.#changed.set(runId, run.updatedAt);
      // The owner of the lease goes on with the run.
      if (!isHoldfastError(error, "RUN_LEASED"))
        this.#port.home.logger.error("an interrupted run was not completed", { runId, error });
    } finally {
      this.#reported.add(runId);
    }
  }
}
