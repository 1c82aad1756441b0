/**
 * Runs sequencers on a runtime: new runs, runs that were cut off, suspended runs.
 */
import { randomUUID } from "node:crypto";
import { isHoldfastError, RunLeasedError, RuntimeClosedError } from "../../../actors/errors.ts";
import type { ScopeIdentity } from "../../../actors/protocol.ts";
import { runSteps } from "./steps.ts";
import type { RunOutcome } from "./run-port.ts";
import type { ScopeSettings } from "../../../actors/scope/options.ts";
import { copyIn } from "../../../actors/state/copy.ts";
import { ScopeHandle } from "../handle.ts";
import type { ScopeHost } from "../scope-host.ts";
import { checkId } from "../id.ts";
import {
  answerTo,
  newTries,
  presentOutcome,
  suspensionOption,
  timeOver,
  type ResumeOptions,
} from "./run-answer.ts";
import { checkedValue } from "./checked-value.ts";
import { checkSame, goingOn, namesOf } from "./run-fit.ts";
import { RunLeases } from "./run-lease.ts";
import { Run, runSettings } from "./run.ts";
import {
  checkpointOf,
  newRecord,
  RunLog,
  type Checkpoint,
  type GivenScopes,
  type StoredRun,
} from "./run-record.ts";
import type { RunScopes } from "./context.ts";
import type { AnySequencer } from "./define.ts";
import { UnstoredRuns } from "./unstored-runs.ts";
import { optionNames, refuseUnknown } from "../../../actors/scope/options.ts";

/** Options of one run. */
export interface RunOptions<I = unknown> {
  /** Names the run for `resume`; default a new id. A known run continues where it was. */
  readonly runId?: string | undefined;
  /** Passed to every step; stored with the run, so it must be storable. */
  readonly input?: I | undefined;
  /** Scopes for the steps; opened again by identity when the run is resumed. */
  readonly scopes?: GivenScopes | undefined;
}

const RUN_OPTIONS = optionNames<RunOptions>({ runId: true, input: true, scopes: true });

/** A run that was started. */
export interface RunHandle<Output = unknown, S extends object = object> {
  readonly runId: string;
  /** The outcome; rejects with what a step threw, or when the end could not be stored. */
  readonly result: Promise<RunOutcome<Output, S>>;
  /** Checkpoint writes that failed so far. */
  readonly checkpointErrors: number;
}

/** The data of a resume, and its options. */
export interface Answer {
  readonly data: unknown;
  readonly options: ResumeOptions;
}

/** The sequencer runs of one runtime. */
export class Sequencers {
  readonly #home: ScopeHost;
  readonly #leases: RunLeases;
  readonly #active = new Map<string, Run | null>();
  /** Records of executing runs, and of unfinished runs that are in memory only. */
  readonly #logs = new Map<string, RunLog>();
  readonly #unstored = new UnstoredRuns();
  readonly #known = new WeakMap<AnySequencer, ScopeSettings>();
  #closed = false;

  constructor(home: ScopeHost) {
    this.#home = home;
    this.#leases = new RunLeases(home, randomUUID());
  }

  /** Starts a run, or continues the run of that id. */
  run(sequencer: AnySequencer, options: RunOptions = {}): RunHandle {
    const runId = options.runId ?? `run_${randomUUID()}`;
    let log: RunLog | null = null;
    const start = async (): Promise<RunOutcome> => {
      refuseUnknown("run", options, RUN_OPTIONS);
      const given = copyIn(options.input, "input", { depth: 1 });
      return this.#claim(runId, async () => {
        log = await this.#open(runId);
        const input = await inputOf(sequencer, given, log);
        const { initial } = this.#settings(sequencer);
        const { scopes } = options;
        const createdAt = this.#home.clock.now();
        if (log.exists) checkSame(log.record, sequencer, input);
        else log.begin(newRecord({ runId, sequencer, input, initial, createdAt, scopes }));
        // Scopes of any state: the steps declare the types.
        return this.#execute(sequencer, log, options.scopes as RunScopes | undefined);
      });
    };
    const result = start();
    // The failure of a result that is never read is logged, not an unhandled rejection.
    let looked = false;
    result.catch((error: unknown) => {
      if (!looked) this.#home.logger.error("a sequencer run failed unseen", { runId, error });
    });
    return {
      runId,
      get result() {
        looked = true;
        return result;
      },
      get checkpointErrors() {
        return log?.errors ?? 0;
      },
    };
  }

  /** Continues a run that was suspended, failed or cut off, with the data of the resume. */
  async resume(sequencer: AnySequencer, runId: string, answer: Answer): Promise<RunOutcome> {
    const suspension = suspensionOption(answer.options);
    const data = copyIn(answer.data, "data", { depth: 2 });
    return this.#claim(runId, async () => {
      const log = await this.#open(runId);
      if (!log.exists) throw new TypeError(`there is no run "${runId}" to resume`);
      checkSame(log.record, sequencer);
      const now = this.#home.clock.now();
      const change = answerTo(log.record, { data, suspension, now });
      if (change !== null) return this.#execute(sequencer, log, undefined, change);
      // Resumed before. A run that was cut off after it continues; another is unchanged.
      if (log.record.status === "running") return this.#execute(sequencer, log, undefined);
      return presentOutcome(log.record);
    });
  }

  /** The checkpoints of a run, latest first: the present one and the history of its kind. */
  async checkpoints(runId: string): Promise<readonly Checkpoint[]> {
    const log = this.#logs.get(runId) ?? (await this.#open(runId));
    if (!log.exists) return [];
    const { record, version } = log;
    return [checkpointOf(record, version), ...record.history];
  }

  /** Ends every run; when this has resolved, each can be resumed, here or elsewhere. */
  async close(): Promise<void> {
    this.#closed = true;
    const given = this.#leases.stop();
    for (const run of this.#active.values()) run?.stop();
    // An unstored record keeps its lease; the runs themselves have rejected.
    await Promise.allSettled([given, ...[...this.#logs.values()].map((log) => log.flush())]);
    await this.#unstored.flush();
    this.#leases.close();
  }

  /** The settings of all runs of a sequencer; made once. */
  #settings(sequencer: AnySequencer): ScopeSettings {
    let settings = this.#known.get(sequencer);
    if (settings === undefined) {
      settings = runSettings(sequencer, this.#home);
      this.#known.set(sequencer, settings);
    }
    return settings;
  }

  /** One execution per run in this runtime. */
  async #claim(runId: string, work: () => Promise<RunOutcome>): Promise<RunOutcome> {
    if (this.#closed) throw new RuntimeClosedError();
    if (this.#active.has(runId)) throw new RunLeasedError({ runId, holder: "this runtime" });
    this.#active.set(runId, null);
    try {
      return await work();
    } finally {
      this.#active.delete(runId);
    }
  }

  /** The stored record of a run, or the record of a run that is in memory only. */
  async #open(runId: string): Promise<RunLog> {
    const known = this.#logs.get(runId);
    if (known !== undefined && !known.shared) return known;
    await this.#unstored.settle(runId);
    const kind = this.#home.kind("sequencer");
    checkId(runId);
    const bridge = this.#home.bridge(kind, { type: kind.type, id: runId });
    const { clock, logger } = this.#home;
    const log = new RunLog({ runId, kind, bridge, logger, now: () => clock.now() });
    await log.load();
    return log;
  }

  async #execute(
    sequencer: AnySequencer,
    log: RunLog,
    given: RunScopes | undefined,
    change: Partial<StoredRun> = {},
  ): Promise<RunOutcome> {
    const { record } = log;
    if (record.status === "completed" || record.status === "cancelled")
      return presentOutcome(record);
    const over = timeOver(record, this.#home.clock.now());
    const next = { ...newTries(record), ...over, ...change, ...goingOn(record, sequencer) };
    const { suspension } = { ...record, ...next };
    if (suspension !== null) return { status: "suspended", suspension };
    // Before the lease is taken: when a scope cannot be opened, the run is unchanged.
    const scopes = given ?? (await this.#reopen(record.scopes));
    this.#logs.set(record.runId, log);
    try {
      const leasedAt = await this.#leases.take(log, sequencer.leaseMs, next);
      return await this.#run(sequencer, log, { scopes, leasedAt });
    } finally {
      // An unfinished run without a store is kept for its resume.
      if (log.shared || log.record.status === "completed") this.#logs.delete(record.runId);
      this.#unstored.keep(log);
    }
  }

  async #run(
    sequencer: AnySequencer,
    log: RunLog,
    given: { readonly scopes: RunScopes; readonly leasedAt: number },
  ): Promise<RunOutcome> {
    const settings = this.#settings(sequencer);
    const { runtime } = this.#leases;
    const run = new Run({ home: this.#home, sequencer, log, runtime, settings, ...given });
    this.#active.set(log.record.runId, run);
    if (this.#closed) run.stop();
    else if (log.shared) run.renew();
    try {
      return await runSteps(run, namesOf(sequencer));
    } catch (error) {
      await this.#failed(run, log, error);
      throw error;
    } finally {
      await run.end();
    }
  }

  async #reopen(scopes: Readonly<Record<string, ScopeIdentity>>): Promise<RunScopes> {
    const opened = await Promise.all(
      Object.entries(scopes).map(async ([name, { type, id, ...extra }]) => {
        // A scope in memory may be older than the last write of the killed process.
        const known = this.#home.system.find(this.#home.key(type, id));
        const scope = await this.#home.open(type, id, extra);
        if (known !== undefined) await scope.refresh();
        return [name, new ScopeHandle(scope)] as const;
      }),
    );
    // Stored under these names from scopes of these kinds.
    return Object.fromEntries(opened) as RunScopes;
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
}

/** The checked input of a run; the stored run has its own when none is given. */
async function inputOf({ input }: AnySequencer, given: unknown, log: RunLog): Promise<unknown> {
  if (input === undefined || (log.exists && given === undefined)) return given;
  return checkedValue(input, given, { what: "input", scope: log.identity });
}
