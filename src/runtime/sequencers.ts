/**
 * Runs sequencers on a runtime: new ones, cut-off ones, suspended ones.
 */
import { randomUUID } from "node:crypto";
import { isHoldfastError, RunLeasedError, ScopeStoppedError } from "../../actors/errors.ts";
import type { ScopeIdentity } from "../../actors/protocol.ts";
import { runSteps, type RunOutcome } from "../../actors/sequencer.ts";
import type { ScopeSettings } from "../../actors/settings.ts";
import { copyIn } from "../../actors/values.ts";
import { isDead } from "../stores/process-owner.ts";
import type { ScopeHome } from "./home.ts";
import type { ResidentScope } from "./resident.ts";
import { Run, runSettings } from "./run.ts";
import {
  checkpointOf,
  leaseOf,
  newRecord,
  recordOf,
  writeRecord,
  type Checkpoint,
  type GivenScopes,
  type Lease,
  type StoredRun,
} from "./run-record.ts";
import type { RunScopes, Sequencer } from "./sequence.ts";

/** Options of one run. */
export interface RunOptions {
  /** Names the run for `resume`; default a new one. A known run goes on where it was. */
  readonly runId?: string;
  /** Given to every step; stored with the run, so it must be storable. */
  readonly input?: unknown;
  /** Scopes the steps may use; opened again by identity when the run is resumed. */
  readonly scopes?: GivenScopes;
}

/** A run that was started. */
export interface RunHandle {
  readonly runId: string;
  /** How the run ended; rejects with what a step threw, or when its end could not be stored. */
  readonly result: Promise<RunOutcome>;
  /** Checkpoint writes that failed so far. */
  readonly checkpointErrors: number;
}

type AnySequencer = Sequencer<never>;

/** Runtimes of this process that are open; a lease of another one of this process is dead. */
const openRuntimes = new Set<string>();

/** The sequencer runs of one runtime. */
export class Sequencers {
  readonly #home: ScopeHome;
  readonly #id: string = randomUUID();
  readonly #active = new Map<string, Run<never> | null>();
  readonly #known = new WeakMap<AnySequencer, ScopeSettings>();
  #closed = false;

  constructor(home: ScopeHome) {
    this.#home = home;
    openRuntimes.add(this.#id);
  }

  /** Starts a run, or goes on with the one of that id. */
  run(sequencer: AnySequencer, options: RunOptions = {}): RunHandle {
    const runId = options.runId ?? `run_${randomUUID()}`;
    let scope: ResidentScope | null = null;
    const start = async (): Promise<RunOutcome> => {
      const input = copyIn(options.input, "input", { depth: 1 });
      return this.#claim(runId, async () => {
        scope = await this.#record(runId);
        const { initial } = this.#settings(sequencer);
        const { scopes } = options;
        const createdAt = this.#home.clock.now();
        if (!scope.exists)
          writeRecord(scope, newRecord({ runId, sequencer, input, initial, createdAt, scopes }));
        // Scopes of any state: the steps say what they expect in them.
        return this.#execute(sequencer, scope, options.scopes as RunScopes | undefined);
      });
    };
    const result = start();
    // Whoever never looks at the result finds it in the log, and not as an unhandled rejection.
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
        return scope?.checkpointErrors ?? 0;
      },
    };
  }

  /** Goes on with a run that was suspended, failed or cut off; `data` answers its suspension. */
  async resume(sequencer: AnySequencer, runId: string, data?: unknown): Promise<RunOutcome> {
    const answer = copyIn(data, "data", { depth: 2 });
    return this.#claim(runId, async () => {
      const scope = await this.#record(runId);
      if (!scope.exists) throw new TypeError(`there is no run "${runId}" to resume`);
      const { suspension, answers } = recordOf(scope);
      if (suspension !== null) {
        const next = Object.freeze([...answers, answer]);
        return this.#execute(sequencer, scope, undefined, { suspension: null, answers: next });
      }
      return this.#execute(sequencer, scope, undefined);
    });
  }

  /** The checkpoints of a run, latest first: one, and the earlier ones its kind keeps. */
  async checkpoints(runId: string): Promise<readonly Checkpoint[]> {
    const scope = await this.#record(runId);
    if (!scope.exists) return [];
    const record = recordOf(scope);
    return [checkpointOf(record, scope.version), ...record.history];
  }

  /** Ends every run; each can be resumed at once, here or elsewhere. */
  close(): void {
    this.#closed = true;
    for (const run of this.#active.values()) run?.stop();
    openRuntimes.delete(this.#id);
  }

  /** What all runs of a sequencer share; made once. */
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
    if (this.#closed) throw new ScopeStoppedError({ scope: { type: "sequencer", id: runId } });
    if (this.#active.has(runId)) throw new RunLeasedError({ runId, holder: "this runtime" });
    this.#active.set(runId, null);
    try {
      return await work();
    } finally {
      this.#active.delete(runId);
    }
  }

  /** The record scope of a run, as the store has it. */
  async #record(runId: string): Promise<ResidentScope> {
    const { system } = this.#home;
    const known = system.find(this.#home.key("sequencer", runId));
    const scope = await this.#home.open("sequencer", runId);
    // One that is executing here is newer than the store; another may be older.
    if (known !== undefined && (this.#active.get(runId) ?? null) === null) await scope.refresh();
    return scope;
  }

  async #execute(
    sequencer: AnySequencer,
    scope: ResidentScope,
    given: RunScopes | undefined,
    change: Partial<StoredRun> = {},
  ): Promise<RunOutcome> {
    const record = recordOf(scope);
    if (record.sequencer !== sequencer.name)
      throw new TypeError(`run "${record.runId}" is one of "${record.sequencer}"`);
    if (record.status === "completed") return completed(scope);
    if (record.status === "suspended" && change.suspension !== null && record.suspension !== null)
      return { status: "suspended", suspension: record.suspension };
    const shared = scope.backing !== null; // Nobody else can reach a run that is in no store.
    if (shared) await this.#lease(scope, sequencer.leaseMs, change);
    else writeRecord(scope, { ...change, status: "running" });
    const run = new Run({
      home: this.#home,
      sequencer,
      scope,
      scopes: given ?? (await this.#reopen(record.scopes)),
      runtime: this.#id,
      settings: this.#settings(sequencer),
    });
    this.#active.set(record.runId, run);
    if (this.#closed) run.stop();
    if (shared) run.renew();
    try {
      return await runSteps(run, sequencer.steps.length, randomUUID);
    } catch (error) {
      await this.#failed(run, scope, error);
      throw error;
    } finally {
      await run.end();
      await this.#release(scope);
    }
  }

  /** The record need not stay in memory; one that is nowhere else goes when all is done. */
  async #release(scope: ResidentScope): Promise<void> {
    if (scope.backing === null && recordOf(scope).status === "completed") await scope.stop();
    else this.#home.system.dismiss(scope.key);
  }

  /** Takes the run for this process, or throws `RunLeasedError`. */
  async #lease(scope: ResidentScope, leaseMs: number, change: Partial<StoredRun>): Promise<void> {
    const { runId, lease } = recordOf(scope);
    if (lease !== null && this.#isHeld(lease)) throw this.#leased(scope, lease);
    const mine = leaseOf(this.#home, this.#id, leaseMs);
    writeRecord(scope, { ...change, status: "running", lease: mine });
    try {
      await scope.flush();
    } catch (error) {
      if (!isHoldfastError(error, "CONCURRENT_MODIFICATION")) throw error;
      await scope.refresh();
      const winner = scope.exists ? recordOf(scope).lease : null;
      if (winner !== null) throw this.#leased(scope, winner);
      const holder = "another process that changed it just now";
      throw new RunLeasedError({ runId, holder }, { scope: scope.identity, cause: error });
    }
  }

  #isHeld({ owner, runtime, until }: Lease): boolean {
    if (runtime === this.#id || until <= this.#home.clock.now()) return false;
    const { host, pid, start } = this.#home.owner;
    const sameProcess = owner.host === host && owner.pid === pid && owner.start === start;
    return sameProcess ? openRuntimes.has(runtime) : !isDead(owner);
  }

  #leased(scope: ResidentScope, { owner, until }: Lease): RunLeasedError {
    const { runId } = recordOf(scope);
    const holder = `process ${owner.pid} on ${owner.host} until ${new Date(until).toISOString()}`;
    return new RunLeasedError({ runId, holder }, { scope: scope.identity });
  }

  async #reopen(scopes: Readonly<Record<string, ScopeIdentity>>): Promise<RunScopes> {
    const opened = await Promise.all(
      Object.entries(scopes).map(async ([name, { type, id, ...extra }]) => {
        // One that is in memory already may be older than what the killed process wrote.
        const known = this.#home.system.find(this.#home.key(type, id));
        const scope = await this.#home.open(type, id, extra);
        if (known !== undefined) await scope.refresh();
        return [name, scope] as const;
      }),
    );
    // Stored under the names below from scopes of these kinds.
    return Object.fromEntries(opened) as RunScopes;
  }

  /** Writes the failure down, unless the run is no longer ours or was only cut off. */
  async #failed(run: Run<never>, scope: ResidentScope, error: unknown): Promise<void> {
    if (run.lost) return;
    run.write({ status: "failed" });
    await scope.flush().catch((cause: unknown) => {
      const { runId } = recordOf(scope);
      this.#home.logger.error("a failed run could not be written down", { runId, error, cause });
    });
  }
}

async function completed(scope: ResidentScope): Promise<RunOutcome> {
  await scope.flush();
  const { outputs, state } = recordOf(scope);
  return { status: "completed", output: outputs.at(-1), state };
}
