/**
 * The stored record of a run, with its lease, its scopes and its history.
 */
import { CheckpointWriter, type CheckpointSource } from "../persistence/write-behind.ts";
import { RunNotFoundError } from "../../../actors/errors.ts";
import type { Logger, ScopeIdentity } from "../../../actors/protocol.ts";
import { STEP_BEGINS, type RunFailure, type RunRecord } from "./run-port.ts";
import type { ScopeSettings } from "../../../actors/scope/options.ts";
import { readRecord } from "../../../actors/scope/save-answer.ts";
import { copyIn, isPlainObject } from "../../../actors/state/copy.ts";
import { type ProcessOwner, thisProcess } from "../../stores/shared/process-identity.ts";
import type { ScopeHost } from "../scope-host.ts";
import type { RecordBridge } from "../persistence/record-bridge.ts";
import type { ResolvedKind } from "../kinds.ts";
import type { RunScopes } from "./context.ts";
import type { AnySequencer } from "./define.ts";

/** Scopes of any state, by the names under which steps find them; an execution's context fits. */
export type GivenScopes = {
  readonly [Name in keyof RunScopes]?: { readonly identity: ScopeIdentity } | undefined;
};

/** The owner of a run, and until when no other owner may execute it. */
export interface Lease {
  readonly owner: ProcessOwner;
  /** Distinguishes the runtimes of one process. */
  readonly runtime: string;
  /** Milliseconds since the epoch, by the owner's clock. */
  readonly until: number;
  /** Its duration in milliseconds; absent in leases of earlier releases. */
  readonly leaseMs?: number;
}

/** A checkpoint at an earlier boundary. */
export interface Checkpoint {
  readonly runId: string;
  readonly sequencer: string;
  /** How many steps were finished. */
  readonly stepIndex: number;
  /** The step to run next; absent at the end, and in checkpoints of earlier releases. */
  readonly step?: string;
  readonly state: object;
  readonly outputs: readonly unknown[];
  readonly status: RunRecord["status"];
  /** Why the run failed, while its status is `failed`. */
  readonly error?: RunFailure;
  readonly version: number;
  readonly createdAt: number;
}

/**
 * The stored record. In a run that an earlier release stored or continued, `steps` may have fewer
 * names than there are steps.
 */
export interface StoredRun extends RunRecord {
  /** The `version` of the sequencer under which the run continued last. */
  readonly definition: number | string | null;
  /** `runOnce` values in the form of earlier releases: by key, without a step. */
  readonly once?: Readonly<Record<string, unknown>> | undefined;
  readonly lease: Lease | null;
  /** Until when the run is at rest: nothing of it is due before; `null` when it is not. */
  readonly wakeAt: number | null;
  /** Since which boundary the state is as it is at the boundary `at`: see `run-fork.ts`. */
  readonly unchanged?: { readonly since: number; readonly at: number };
  /**
   * When the finished steps ended, in order: milliseconds since `createdAt`. In a run that an
   * earlier release began, and in a fork, the first ones are absent.
   */
  readonly ends?: readonly number[];
  /** When the record was last changed, renewals of its lease aside. */
  readonly updatedAt: number;
  readonly scopes: Readonly<Record<string, ScopeIdentity>>;
  readonly history: readonly Checkpoint[];
}

/** What a log is made from. */
export interface RunLogParts {
  readonly runId: string;
  readonly kind: ResolvedKind;
  /** `null`: the record is in memory only. */
  readonly bridge: RecordBridge | null;
  readonly logger: Logger;
  readonly now: () => number;
  /** Called with each stored record, and with each one of a run that is in memory only. */
  readonly onStored: (version: number, record: StoredRun) => void;
}

/**
 * The record of one run in this process: written at once in memory, stored in the background. Only
 * the run uses it, so no other code can delay, reload or change it. A write of another process to
 * the same record meets the version check.
 */
export class RunLog implements CheckpointSource {
  readonly identity: ScopeIdentity;
  readonly kind: ResolvedKind;
  version = 0;
  readonly #bridge: RecordBridge | null;
  readonly #writer: CheckpointWriter | null;
  readonly #now: () => number;
  readonly #onStored: RunLogParts["onStored"];
  #record: StoredRun | null = null;

  constructor({ runId, kind, bridge, logger, now, onStored }: RunLogParts) {
    this.identity = { type: kind.type, id: runId };
    this.kind = kind;
    this.#bridge = bridge;
    this.#now = now;
    this.#onStored = onStored;
    const { storeName } = kind.settings;
    this.#writer =
      bridge === null ? null : new CheckpointWriter(this, bridge, { logger, storeName });
  }

  /** The settings of the scopes of its kind. */
  get settings(): ScopeSettings {
    return this.kind.settings;
  }

  /** True when other processes can reach the record. */
  get shared(): boolean {
    return this.#bridge !== null;
  }

  /** True once there is a record. */
  get exists(): boolean {
    return this.#record !== null;
  }

  /** The record; throws `RunNotFoundError` when there is none. */
  get record(): StoredRun {
    if (this.#record === null) throw new RunNotFoundError(this.identity.id);
    return this.#record;
  }

  get state(): object {
    return this.record;
  }

  /** True when the present record is stored. */
  get clean(): boolean {
    return this.#writer?.clean ?? true;
  }

  /** Writes that failed so far. */
  get errors(): number {
    return this.#writer?.errors ?? 0;
  }

  /** Why the last write failed; `null` when it did not. */
  get failure(): unknown {
    return this.#writer?.failure ?? null;
  }

  /** Loads the stored record. */
  async load(): Promise<void> {
    if (this.#bridge === null) return;
    const found = await readRecord(this.#bridge, this.#bridge, "load");
    this.version = found.version;
    this.#record = found.state === undefined ? null : wholeRecord(found.state, this.identity);
    this.#writer?.loaded(this.version);
  }

  /** Changes fields; their values are frozen. */
  write(fields: Partial<StoredRun>): void {
    this.put({ ...this.record, updatedAt: this.#now(), ...fields });
  }

  /** Puts another record, whose values are frozen, in the place of this one. */
  put(record: StoredRun): void {
    this.#record = record;
    this.version += 1;
    if (this.#writer === null) this.#onStored(this.version, record);
    else this.#writer.mark();
  }

  /** Resolves when the record as it is now is stored. */
  flush(): Promise<void> {
    return this.#writer?.flush() ?? STORED;
  }

  stored(): void {
    // Only `flush` waits for it.
  }

  confirmed(version: number, state: object | undefined): void {
    // What was written is a record: `state` gives nothing else.
    if (state !== undefined) this.#onStored(version, state as StoredRun);
  }
}

/** The part of a record that is a checkpoint. */
export function checkpointOf(record: StoredRun, version: number): Checkpoint {
  const { runId, sequencer, steps, stepIndex, state, outputs, status, error, createdAt } = record;
  const step = steps[stepIndex];
  const where = { runId, sequencer, stepIndex, ...(step !== undefined && { step }) };
  const why = status !== "failed" || error === null ? {} : { error };
  return { ...where, state, outputs, status, ...why, version, createdAt };
}

/** The latest time of a `Date`. */
const LATEST_MS = 8.64e15;

/** A lease of this process that starts now. */
export function leaseOf(home: ScopeHost, runtime: string, leaseMs: number): Lease {
  const until = Math.min(home.clock.now() + leaseMs, LATEST_MS);
  return copyIn({ owner: thisProcess(), runtime, until, leaseMs }, "lease");
}

/** The names of the scopes of a run. */
export const SCOPE_NAMES = ["request", "session", "user", "org"] as const;

/** The parts of the record of a new run. */
export interface NewRun {
  readonly runId: string;
  readonly sequencer: AnySequencer;
  readonly input: unknown;
  readonly initial: object;
  readonly createdAt: number;
  readonly scopes: GivenScopes | undefined;
}

/** The record of a run that has not begun. */
export function newRecord({
  runId,
  sequencer,
  input,
  initial,
  createdAt,
  scopes,
}: NewRun): StoredRun {
  return {
    runId,
    sequencer: sequencer.name,
    definition: sequencer.version ?? null,
    steps: sequencer.steps.slice(0, 1).map(({ name }) => name),
    stepIndex: 0,
    input,
    state: initial,
    unchanged: { since: 0, at: 0 },
    outputs: NOTHING,
    status: "running",
    effects: NONE,
    ...STEP_BEGINS,
    suspension: null,
    answered: NOTHING,
    error: null,
    createdAt,
    updatedAt: createdAt,
    lease: null,
    wakeAt: null,
    scopes: scopes === undefined ? NONE : identitiesOf(scopes),
    history: NOTHING,
  };
}

function identitiesOf(scopes: GivenScopes): StoredRun["scopes"] {
  const identities = SCOPE_NAMES.flatMap((name) => {
    const given = scopes[name];
    return given === undefined ? [] : [[name, given.identity] as const];
  });
  return copyIn(Object.fromEntries(identities), "scopes");
}

/** Fields that records of earlier releases lack. */
const ABSENT = {
  ...STEP_BEGINS,
  definition: null,
  steps: [],
  effects: {},
  answered: [],
  error: null,
  wakeAt: null,
} as const;

/**
 * A stored record with every field of this release. Throws `TypeError` for a record that is no run:
 * earlier releases let a scope be opened under the id of a run.
 */
function wholeRecord(state: object, { id }: ScopeIdentity): StoredRun {
  const isRun = "runId" in state && state.runId === id && "stepIndex" in state;
  if (!isRun || !isPlainObject(state))
    throw new TypeError(
      `"${id}" is no run but a scope that an earlier release stored; name another`,
    );
  // A record with these fields was written by this class, in this release or an earlier one.
  const updatedAt: unknown = Reflect.get(state, "createdAt");
  return { ...ABSENT, updatedAt, ...state } as unknown as StoredRun;
}

const STORED = Promise.resolve();
const NOTHING: readonly never[] = Object.freeze([]);
const NONE: Readonly<Record<string, never>> = Object.freeze({});
