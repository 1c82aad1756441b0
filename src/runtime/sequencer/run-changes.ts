/**
 * Runs in the changes of a runtime: each record of a run that is stored, here or in another
 * process, is announced as a change of the scope `sequencer`, whose state is the checkpoint of the
 * run. Nothing is done while the runtime has no listeners.
 *
 * Invariants
 *  C1  Listeners receive the versions of a run in order, none twice.
 *  C2  At most `ANNOUNCED_MAX` runs are known by their last announced version; an older one is
 *      announced by its next report, whatever that says.
 */
import { isHoldfastError } from "../../../actors/errors.ts";
import { whileNotifying } from "../../../actors/scope/cascade.ts";
import type { ScopeHost } from "../scope-host.ts";
import type { RunLogs } from "./run-logs.ts";
import { checkpointOf, type StoredRun } from "./run-record.ts";

/** Most runs whose last announced version is kept. */
const ANNOUNCED_MAX = 10_000;
/** Milliseconds until a run is read again whose store was unavailable. */
const RETRY_MS = 1_000;

/** Announces the runs of one runtime; see the head of this file. */
export class RunChanges {
  readonly #home: ScopeHost;
  readonly #logs: RunLogs;
  readonly #prefix: string;
  readonly #announced = new Map<string, number>();
  /** Runs that are being read; true: one was reported since. */
  readonly #reading = new Map<string, boolean>();

  constructor(home: ScopeHost, logs: RunLogs) {
    this.#home = home;
    this.#logs = logs;
    this.#prefix = home.key("sequencer", "");
  }

  /** Announces from now on. */
  begin(): void {
    this.#logs.stored.add((version, record) => this.#announce(version, record, "local"));
    this.#home.reports.add((key) => this.#reported(key));
  }

  /** Another owner changed a record. Which ones were lost with reports (`null`) is not known. */
  #reported(key: string | null): void {
    if (key === null || this.#home.listeners.size === 0 || !key.startsWith(this.#prefix)) return;
    const runId = key.slice(this.#prefix.length);
    if (this.#reading.has(runId)) this.#reading.set(runId, true);
    else void this.#read(runId);
  }

  async #read(runId: string): Promise<void> {
    try {
      do {
        this.#reading.set(runId, false);
        const log = await this.#logs.look(runId);
        if (log.exists) this.#announce(log.version, log.record, "remote");
      } while (this.#reading.get(runId) === true && this.#home.listeners.size > 0);
      this.#reading.delete(runId);
    } catch (error) {
      this.#reading.delete(runId);
      if (isHoldfastError(error, "STORE_UNAVAILABLE"))
        this.#home.wheel.schedule(RETRY_MS, () => this.#read(runId));
      else this.#home.logger.error("a change of a run could not be read", { runId, error });
    }
  }

  #announce(version: number, record: StoredRun, origin: "local" | "remote"): void {
    const { listeners } = this.#home;
    const { runId, updatedAt: timestamp } = record;
    if (listeners.size === 0 || version <= (this.#announced.get(runId) ?? 0)) return;
    this.#keep(runId, version);
    const scope = { type: "sequencer", id: runId };
    const operation = origin === "local" ? "update" : "refresh";
    const value = Object.freeze(checkpointOf(record, version));
    whileNotifying(scope, undefined, () =>
      listeners.announce({
        type: "state_change",
        scope,
        version,
        operation,
        patches: [{ op: "replace", path: [], value }],
        inversePatches: [], // The checkpoint before is in the history of the run, if one is kept.
        origin,
        timestamp,
      }),
    );
  }

  #keep(runId: string, version: number): void {
    this.#announced.delete(runId);
    this.#announced.set(runId, version);
    if (this.#announced.size <= ANNOUNCED_MAX) return;
    for (const oldest of this.#announced.keys()) {
      this.#announced.delete(oldest);
      break;
    }
  }
}
