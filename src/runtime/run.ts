/**
 * One run of a sequencer in this process: its record scope, its own state, its lease.
 *
 * Invariants
 *  L1  While a run executes, the stored record names this process as its holder and the lease is
 *      renewed well before it ends; every write carries the version it builds on, so a holder who
 *      lost the lease cannot write.
 *  L2  The end of a run and the end of its lease are one write.
 */
import { createChecks, initialState } from "../../actors/checks.ts";
import type { Head } from "../../actors/apply.ts";
import {
  isHoldfastError,
  RunLeasedError,
  ScopeStoppedError,
  StoreUnavailableError,
} from "../../actors/errors.ts";
import type { Mutation } from "../../actors/mutation.ts";
import type { ScopeIdentity } from "../../actors/protocol.ts";
import type { RunPort, RunRecord, StepTurn } from "../../actors/sequencer.ts";
import type { WheelHandle } from "../../actors/idle.ts";
import { scopeSettings } from "../../actors/settings.ts";
import { copyIn } from "../../actors/values.ts";
import type { ProcessOwner } from "../stores/process-owner.ts";
import type { ScopeHome } from "./home.ts";
import type { ResidentScope } from "./resident.ts";
import { StateScope, type ScopeStateOps } from "./scope.ts";
import type { RunScopes, Sequencer } from "./sequence.ts";
import { boundOps, StepWork } from "./step-work.ts";

/** Who runs a run, and until when nobody else may. */
export interface Lease {
  readonly owner: ProcessOwner;
  /** Tells the runtimes of one process apart. */
  readonly runtime: string;
  /** Milliseconds since the epoch. */
  readonly until: number;
}

/** A checkpoint as it was at an earlier boundary. */
export interface Checkpoint {
  readonly runId: string;
  readonly sequencer: string;
  /** How many steps were finished. */
  readonly stepIndex: number;
  readonly state: object;
  readonly outputs: readonly unknown[];
  readonly status: RunRecord["status"];
  readonly version: number;
  readonly createdAt: number;
}

/** The stored record: the kernel's, with its lease, its scopes and its history. */
export interface StoredRun extends RunRecord {
  readonly lease: Lease | null;
  readonly scopes: Readonly<Record<string, ScopeIdentity>>;
  readonly history: readonly Checkpoint[];
}

/** Sets fields of the record; values are frozen already. */
class RecordChange implements Mutation {
  readonly operation = "update";
  readonly #fields: Partial<StoredRun>;

  constructor(fields: Partial<StoredRun>) {
    this.#fields = fields;
  }

  write(head: Head): void {
    for (const [field, value] of Object.entries(this.#fields)) head.set(field, value);
  }
}

/** Changes a record in memory; it is stored behind. */
export function writeRecord(scope: ResidentScope, fields: Partial<StoredRun>): void {
  // Plain data on a scope that saves behind is applied in this call. Only a stopped scope refuses
  // it; then the run has been told to end, and its next check says so.
  scope.mutate(new RecordChange(fields)).catch(() => undefined);
}

/** The record in a scope of the sequencer kind. */
export function recordOf(scope: ResidentScope): StoredRun {
  return scope.state as StoredRun; // Written by this file only.
}

/** A run that executes; see the head of this file. */
export class Run<S extends object> implements RunPort {
  readonly #home: ScopeHome;
  readonly #sequencer: Sequencer<S>;
  readonly #scope: ResidentScope;
  /** What the run was given to work with. */
  readonly scopes: RunScopes;
  /** The seven operations on the run's own state, usable without their owner. */
  readonly ops: ScopeStateOps<S>;
  readonly #runtime: string;
  readonly #own: StateScope<S>;
  /** Why the run has to end; `null` while it may go on. */
  #lost: { readonly reason: unknown } | null = null;
  /** Made when a step first asks for the signal. */
  #abort: AbortController | null = null;
  #stop: ((reason: unknown) => void) | null = null;
  #renewal: WheelHandle | null = null;

  constructor(parts: {
    home: ScopeHome;
    sequencer: Sequencer<S>;
    scope: ResidentScope;
    scopes: RunScopes;
    runtime: string;
  }) {
    this.#home = parts.home;
    this.#sequencer = parts.sequencer;
    this.#scope = parts.scope;
    this.scopes = parts.scopes;
    this.#runtime = parts.runtime;
    this.#own = ownState(parts.sequencer, recordOf(parts.scope), parts.home);
    this.ops = boundOps(this.#own);
  }

  get record(): StoredRun {
    return recordOf(this.#scope);
  }

  get state(): Readonly<S> {
    return this.#own.state;
  }

  /** True when the run has to end before its steps are done. */
  get lost(): boolean {
    return this.#lost !== null;
  }

  write(change: Partial<RunRecord>): void {
    const ends = change.status !== undefined && change.status !== "running";
    const history = change.stepIndex === undefined ? undefined : this.#remember();
    writeRecord(this.#scope, {
      ...change,
      ...(ends ? { lease: null } : {}),
      ...(history === undefined ? {} : { history }),
    });
  }

  async flush(): Promise<void> {
    try {
      await this.#scope.flush();
    } catch (cause) {
      this.check(cause);
      const { runId } = this.record;
      const message = `a checkpoint of run "${runId}" could not be stored; resume it later`;
      throw new StoreUnavailableError(message, { scope: this.#scope.identity, cause });
    }
  }

  check(failure: unknown = this.#scope.checkpointFailure): void {
    if (this.#lost !== null) throw this.#lost.reason;
    if (!isHoldfastError(failure, "CONCURRENT_MODIFICATION")) return;
    const error = new RunLeasedError(
      { runId: this.record.runId, holder: "another process that took it over" },
      { scope: this.#scope.identity, cause: failure },
    );
    this.#lose(error);
    throw error;
  }

  /** Keeps the lease alive until the run ends (L1). */
  renew(): void {
    const { leaseMs } = this.#sequencer;
    this.#renewal = this.#home.wheel.schedule(leaseMs / 3, () => {
      writeRecord(this.#scope, { lease: leaseOf(this.#home, this.#runtime, leaseMs) });
      this.renew();
    });
  }

  /** Ends the run from outside: its step is told, its record can be resumed at once. */
  stop(): void {
    if (this.#own.stopped) return;
    writeRecord(this.#scope, { lease: null });
    this.#lose(new ScopeStoppedError({ scope: this.#scope.identity }));
    void this.end();
  }

  /** The run is over: late code of its steps changes nothing any more. */
  end(): Promise<void> {
    if (this.#renewal !== null) this.#home.wheel.cancel(this.#renewal);
    this.#renewal = null;
    return this.#own.stop();
  }

  step(index: number, turn: StepTurn): Promise<unknown> {
    const step = this.#sequencer.steps[index];
    if (step === undefined) return Promise.reject(new RangeError(`there is no step ${index}`));
    const context = new StepWork<S>(this, step.name, turn);
    return new Promise((resolve, reject) => {
      this.#stop = reject;
      const work = async (): Promise<unknown> => step.run(context);
      work().then(resolve, reject);
    });
  }

  /** Aborts when the run has to end; made when first asked for. */
  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    if (this.#lost !== null) this.#abort.abort(this.#lost.reason);
    return this.#abort.signal;
  }

  #lose(reason: unknown): void {
    this.#lost = { reason };
    this.#abort?.abort(reason);
    this.#stop?.(reason);
  }

  /** The boundary before this one joins the history, when the kind keeps any. */
  #remember(): readonly Checkpoint[] | undefined {
    const { history } = this.#scope.kind;
    if (history === 0) return undefined;
    const latest = checkpointOf(this.record, this.#scope.version);
    return copyIn([latest, ...this.record.history].slice(0, history), "history");
  }
}

/** The part of a record that is shown as a checkpoint. */
export function checkpointOf(record: StoredRun, version: number): Checkpoint {
  const { runId, sequencer, stepIndex, state, outputs, status, createdAt } = record;
  return { runId, sequencer, stepIndex, state, outputs, status, version, createdAt };
}

/** A lease of this process from now on. */
export function leaseOf(home: ScopeHome, runtime: string, leaseMs: number): Lease {
  return copyIn({ owner: home.owner, runtime, until: home.clock.now() + leaseMs }, "lease");
}

function ownState<S extends object>(
  sequencer: Sequencer<S>,
  record: StoredRun,
  home: ScopeHome,
): StateScope<S> {
  const identity = { type: "sequencer", id: record.runId };
  const checks = createChecks({ schema: sequencer.schema });
  const initial = initialState(sequencer.initial, checks, identity);
  const settings = scopeSettings({ clock: home.clock, logger: home.logger }, { initial, checks });
  const { state } = record;
  return new StateScope<S>({ identity, settings, bridge: null, state, version: 0 });
}
