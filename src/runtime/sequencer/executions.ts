/**
 * The runs that execute in this runtime: at most one execution of each run.
 */
import { isHoldfastError, RunLeasedError, RuntimeClosedError } from "../../../actors/errors.ts";
import type { ScopeHost } from "../scope-host.ts";
import type { RunScopes } from "./context.ts";
import type { AnySequencer } from "./define.ts";
import { newTries, presentOutcome, timeOver } from "./run-answer.ts";
import { refuseStart, reopened, runRule, type RunRule } from "./run-begin.ts";
import { goingOn } from "./run-fit.ts";
import { RunLeases } from "./run-lease.ts";
import type { RunLogs } from "./run-logs.ts";
import type { RunOutcome } from "./run-port.ts";
import type { RunLog, StoredRun } from "./run-record.ts";
import { Run } from "./run.ts";
import { runSteps } from "./steps.ts";
import { randomUUID } from "../../stores/shared/node-crypto.ts";

/** How a run is executed. */
export interface Execution {
  /** Default: those of its record. */
  readonly scopes?: RunScopes | undefined;
  /** Written with its lease. */
  readonly change?: Partial<StoredRun>;
  /** See `RecoverOptions`; default: no limit. */
  readonly maxStarts?: number;
  /** Called when the lease is taken. */
  readonly begun?: () => void;
}

/** A run whose lease is taken. */
interface Started {
  readonly scopes: RunScopes;
  /** By the monotonic clock. */
  readonly leasedAt: number;
  readonly maxStarts: number;
}

/** One execution, from its claim to its end. */
interface Active {
  /** `null` until it has its lease. */
  run: Run | null;
  /** Called when it has its lease, and when it has ended. */
  waiting: (() => void)[];
}

/** The executions of one runtime; see the head of this file. */
export class Executions {
  readonly leases: RunLeases;
  /** Called when runs end here, for now. */
  readonly ends: Set<(runId: string) => void> = new Set();
  readonly #home: ScopeHost;
  readonly #logs: RunLogs;
  readonly #active = new Map<string, Active>();
  readonly #known = new WeakMap<AnySequencer, RunRule>();
  #closed = false;

  constructor(home: ScopeHost, logs: RunLogs) {
    this.#home = home;
    this.#logs = logs;
    this.leases = new RunLeases(home, randomUUID());
    home.reports.add((key) => this.#reported(key));
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** True while a run executes here. */
  active(runId: string): boolean {
    return this.#active.has(runId);
  }

  /** Resolves when no run of this id is being started here: it executes, or was refused. */
  async started(runId: string): Promise<void> {
    const active = this.#active.get(runId);
    if (active?.run === null) await changeOf(active);
  }

  /** Ends every run; when this has resolved, each can be resumed, here or elsewhere. */
  async close(): Promise<void> {
    this.#closed = true;
    const released = this.leases.stop();
    for (const { run } of this.#active.values()) run?.stop();
    // An unstored record keeps its lease; the runs themselves have rejected.
    await Promise.allSettled([released, this.#logs.flush()]);
    this.leases.close();
  }

  /** Cancels a run that executes here; false when there is none, or another process has it. */
  async cancel(runId: string): Promise<boolean> {
    const log = this.#logs.inMemory.get(runId);
    if (this.#active.get(runId)?.run?.cancel() !== true || log === undefined) return false;
    try {
      await log.flush();
      return true;
    } catch (error) {
      // Another process has taken it over: it is to be cancelled there.
      if (isHoldfastError(error, "CONCURRENT_MODIFICATION")) return false;
      throw error;
    }
  }

  /** What all runs of a sequencer have in common; made once. */
  rule(sequencer: AnySequencer): RunRule {
    let rule = this.#known.get(sequencer);
    if (rule === undefined) {
      rule = runRule(sequencer, this.#home);
      this.#known.set(sequencer, rule);
    }
    return rule;
  }

  /** One execution per run in this runtime. */
  async claim(runId: string, work: () => Promise<RunOutcome>): Promise<RunOutcome> {
    if (this.#closed) throw new RuntimeClosedError();
    // One that is suspended or has ended is only being stored: its event may come before that ends.
    for (let other = this.#active.get(runId); other !== undefined;) {
      const { run } = other;
      const isCancelled = run?.record.status === "cancelled";
      if (run === null || run.record.status === "running" || (run.lost && !isCancelled))
        throw new RunLeasedError({ runId, holder: "this runtime" });
      await changeOf(other);
      other = this.#active.get(runId);
    }
    if (this.#closed) throw new RuntimeClosedError();
    const active: Active = { run: null, waiting: [] };
    this.#active.set(runId, active);
    try {
      return await work();
    } finally {
      this.#active.delete(runId);
      wake(active);
    }
  }

  /** Runs the remaining steps of a claimed run; resolves to its outcome. */
  async execute(
    sequencer: AnySequencer,
    log: RunLog,
    { scopes: given, change, maxStarts = Infinity, begun }: Execution,
  ): Promise<RunOutcome> {
    const { record } = log;
    if (record.status === "completed" || record.status === "cancelled")
      return presentOutcome(record);
    const over = record.suspension === null ? null : timeOver(record, this.#home.clock.now());
    const next = { ...newTries(record), ...over, ...change, ...goingOn(record, sequencer) };
    const { suspension = record.suspension } = next;
    if (suspension !== null) return { status: "suspended", suspension };
    // Before the lease is taken: when a scope cannot be opened, the run is unchanged.
    const scopes = given ?? (await reopened(this.#home, record.scopes));
    this.#logs.inMemory.set(record.runId, log);
    try {
      const leasedAt = await this.leases.take(log, sequencer.leaseMs, next);
      begun?.();
      return await this.#run(sequencer, log, { scopes, leasedAt, maxStarts });
    } finally {
      this.#logs.ended(log);
      for (const ended of this.ends) ended(record.runId);
    }
  }

  async #run(
    sequencer: AnySequencer,
    log: RunLog,
    { scopes, leasedAt, maxStarts }: Started,
  ): Promise<RunOutcome> {
    const home = this.#home;
    const rule = this.rule(sequencer);
    const { runtime } = this.leases;
    const run = new Run({ home, sequencer, log, runtime, ...rule, scopes, leasedAt });
    const active = this.#active.get(run.runId);
    if (active !== undefined) {
      active.run = run;
      wake(active);
    }
    if (this.#closed) run.stop();
    else run.renew();
    if (log.shared) this.#home.watch();
    try {
      refuseStart(log, maxStarts);
      return await runSteps(run, log);
    } catch (error) {
      await this.#failed(run, log, error);
      if (run.lost && isHoldfastError(error, "RUN_LEASED")) await this.#look(run);
      const completed = await this.#completedElsewhere(run, log);
      if (completed !== undefined) return completed;
      throw run.reason ?? error;
    } finally {
      await run.end();
    }
  }

  /** The outcome of a run that was cancelled here after another process had completed it. */
  async #completedElsewhere({ runId }: Run, log: RunLog): Promise<RunOutcome | undefined> {
    if (log.record.status !== "cancelled") return undefined;
    await log.flush().catch(() => undefined); // The caller of `cancel` receives a failure.
    const stored = await this.#logs.read(runId).catch(() => undefined);
    return stored?.status === "completed" ? presentOutcome(stored) : undefined;
  }

  /** Stores the failure, unless the lease was lost or the run was only cut off. */
  async #failed(run: Run, log: RunLog, error: unknown): Promise<void> {
    if (run.lost) return;
    // With all steps done only the write failed: the end is still to be stored. So is that of a
    // run that is suspended again, because data of a resume did not fit.
    const { status, suspension } = run.record;
    const isAsked = suspension !== null && isHoldfastError(error, "STATE_INVALID");
    if (status !== "completed" && !isAsked) run.fail(error);
    await log.flush().catch((cause: unknown) => {
      const { id: runId } = log.identity;
      this.#home.logger.error("a failed run could not be written down", { runId, error, cause });
    });
  }

  /** Another owner changed a record: a run here may be cancelled, or taken over. */
  #reported(key: string | null): void {
    if (this.#active.size === 0) return;
    const prefix = this.#home.key("sequencer", "");
    for (const [runId, { run }] of this.#active)
      if (run !== null && (key === null || key === prefix + runId)) void this.#look(run);
  }

  async #look(run: Run): Promise<void> {
    // When this read fails, the next renewal finds out.
    const stored = await this.#logs.read(run.runId).catch(() => undefined);
    if (stored?.status === "cancelled") run.cancelled();
  }
}

/** Resolves when an execution has its lease, or has ended. */
function changeOf(active: Active): Promise<void> {
  return new Promise((resolve) => {
    active.waiting.push(resolve);
  });
}

function wake(active: Active): void {
  const { waiting } = active;
  active.waiting = [];
  for (const resolve of waiting) resolve();
}
