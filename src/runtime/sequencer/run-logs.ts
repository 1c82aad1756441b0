/**
 * The records of all runs of a runtime: stored ones, those of executing runs, and those that are in
 * memory only.
 */
import { isHoldfastError, RuntimeClosedError } from "../../../actors/errors.ts";
import { optionNames, refuseUnknown } from "../../../actors/scope/options.ts";
import { isRefused, ownRetries, retry, type SaveStep } from "../../../actors/scope/retry.ts";
import { checkId } from "../id.ts";
import type { ScopeHost } from "../scope-host.ts";
import { decodeKey } from "../scope-key.ts";
import type { RunFailure, RunStatus, Suspension } from "./run-port.ts";
import { RunLog, type RunLogParts, type StoredRun } from "./run-record.ts";
import { UnstoredRuns } from "./unstored-runs.ts";

/** Records that are read at once. */
const PAGE = 100;
/** For a cancellation, whose writes may meet newer records. */
const CANCEL_RETRIES = ownRetries({ maxRetries: 99, baseDelayMs: 1, maxDelayMs: 20 });
const STATUSES: readonly RunStatus[] = ["running", "suspended", "completed", "failed", "cancelled"];

/** One run in `runtime.runs`. */
export interface RunInfo {
  readonly runId: string;
  /** The name of its sequencer. */
  readonly sequencer: string;
  readonly status: RunStatus;
  /** The step where it stands; `undefined` when it is completed. */
  readonly step: string | undefined;
  /** What it waits for, while it is suspended. */
  readonly suspension?: Suspension;
  /** Why it failed, while its status is `failed`. */
  readonly error?: RunFailure;
  /** Milliseconds since the epoch; so is `updatedAt`. */
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** Which runs `runtime.runs` gives. */
export interface RunsOptions {
  /** Only runs of the sequencer of this name. */
  readonly sequencer?: string | undefined;
  /** Only runs of this status. */
  readonly status?: RunStatus | undefined;
  /** Only the run of this id, of which the record alone is read. */
  readonly runId?: string | undefined;
}

const OPTIONS = optionNames<RunsOptions>({ sequencer: true, status: true, runId: true });

/** The records of the runs of one runtime. */
export class RunLogs {
  /** Those of executing runs, and of unfinished runs that are in memory only. */
  readonly inMemory: Map<string, RunLog> = new Map();
  /** Called with each record that this runtime has stored. */
  readonly stored: Set<RunLogParts["onStored"]> = new Set();
  readonly #home: ScopeHost;
  readonly #unstored = new UnstoredRuns();
  readonly #onStored: RunLogParts["onStored"] = (version, record) => {
    for (const callback of this.stored) callback(version, record);
  };

  constructor(home: ScopeHost) {
    this.#home = home;
  }

  /** The log of a run of which nothing has been read: as it is for a new id. */
  fresh(runId: string): RunLog {
    const { clock, logger } = this.#home;
    const kind = this.#home.kind("sequencer");
    checkId(runId);
    const bridge = this.#home.bridge(kind, { type: kind.type, id: runId });
    return new RunLog({ runId, kind, bridge, logger, clock, onStored: this.#onStored });
  }

  /** The stored record of a run, or the record of a run that is in memory only. */
  open(runId: string): RunLog | Promise<RunLog> {
    const known = this.inMemory.get(runId);
    if (known?.shared === false) return known;
    const log = this.fresh(runId);
    return log.shared ? this.#unstored.settle(runId).then(() => log.load()) : log;
  }

  /** The stored record of a run, however it is in memory; `undefined` when there is none. */
  async read(runId: string): Promise<StoredRun | undefined> {
    const log = await this.fresh(runId).load();
    return log.exists ? log.record : undefined;
  }

  /** The record of a run to read, as it is stored or in memory only. */
  async look(runId: string): Promise<RunLog> {
    const known = this.inMemory.get(runId);
    return known?.shared === false ? known : this.fresh(runId).load();
  }

  /** A run has ended here, for now. An unfinished run without a store is kept for its resume. */
  ended(log: RunLog): void {
    const { status } = log.record;
    const isOver = status === "completed" || status === "cancelled";
    if (log.shared || isOver) this.inMemory.delete(log.identity.id);
    this.#unstored.keep(log);
  }

  /** Tries to store every record; never rejects. */
  async flush(): Promise<void> {
    await Promise.allSettled([...this.inMemory.values()].map((log) => log.flush()));
    await this.#unstored.flush();
  }

  /** Cancels a run that does not execute here; see `runtime.cancel`. */
  async cancel(runId: string): Promise<boolean> {
    let conflict: unknown;
    const attempt = async (): Promise<SaveStep> => {
      const log = await this.open(runId);
      const { status } = log.record;
      if (status === "completed" || status === "cancelled") return "empty";
      log.write(CANCELLED);
      try {
        await log.flush();
        this.inMemory.delete(runId);
        return "saved";
      } catch (error) {
        if (!isHoldfastError(error, "CONCURRENT_MODIFICATION")) throw error;
        conflict = error;
        return "conflict";
      }
    };
    const end = await retry({ ...CANCEL_RETRIES, attempt });
    if (isRefused(end)) throw conflict;
    return end === "saved";
  }

  /** The runs of the options, in the order of their ids, then those that are in memory only. */
  async *list(options: RunsOptions = {}): AsyncGenerator<RunInfo, void, undefined> {
    refuseUnknown("runs", options, OPTIONS);
    if (this.#home.calls.refuses) throw new RuntimeClosedError();
    const { sequencer, status, runId } = options;
    if (status !== undefined && !STATUSES.includes(status))
      throw new RangeError(`status must be one of ${STATUSES.join(", ")}`);
    for await (const record of runId === undefined ? this.records() : this.#one(runId)) {
      const isOther = sequencer !== undefined && record.sequencer !== sequencer;
      if (!isOther && (status === undefined || record.status === status)) yield infoOf(record);
    }
  }

  /** The records of all runs. What is no run, or cannot be read, is logged and left out. */
  async *records(): AsyncGenerator<StoredRun, void, undefined> {
    const seen = new Set<string>();
    for await (const ids of this.#pages()) {
      for (const record of await Promise.all(ids.map((id) => this.#present(id)))) {
        if (record === undefined) continue;
        seen.add(record.runId);
        yield record;
      }
    }
    for (const [id, log] of this.inMemory) if (!seen.has(id) && log.exists) yield log.record;
  }

  async *#one(runId: string): AsyncGenerator<StoredRun, void, undefined> {
    const record = await this.#present(runId);
    if (record !== undefined) yield record;
  }

  async *#pages(): AsyncGenerator<string[], void, undefined> {
    const kind = this.#home.kind("sequencer");
    let page: string[] = [];
    if (kind.durability === "volatile") return;
    for await (const key of kind.store.list({ prefix: this.#home.key(kind.type, "") })) {
      page.push(decodeKey(key)?.id ?? "");
      if (page.length < PAGE) continue;
      yield page;
      page = [];
    }
    yield page;
  }

  /** The record in memory, else the stored one. */
  async #present(runId: string): Promise<StoredRun | undefined> {
    const log = this.inMemory.get(runId);
    if (log?.exists === true) return log.record;
    try {
      return await this.read(runId);
    } catch (error) {
      if (isHoldfastError(error, "STORE_UNAVAILABLE")) throw error;
      this.#home.logger.error("a run could not be read", { runId, error });
      return undefined;
    }
  }
}

/** The changes of a run that is cancelled. */
export const CANCELLED: Partial<StoredRun> = Object.freeze({
  status: "cancelled",
  suspension: null,
  lease: null,
  wakeAt: null,
});

function infoOf(record: StoredRun): RunInfo {
  const { runId, sequencer, status, steps, stepIndex, createdAt, updatedAt } = record;
  const waits = record.suspension === null ? {} : { suspension: record.suspension };
  const why = status !== "failed" || record.error === null ? {} : { error: record.error };
  const step = steps[stepIndex];
  return { runId, sequencer, status, step, ...waits, ...why, createdAt, updatedAt };
}
