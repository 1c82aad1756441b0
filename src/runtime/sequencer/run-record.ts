/**
 * The stored record of a run, with its lease, its scopes and its history.
 */
import { CheckpointWriter, type CheckpointSource } from "../persistence/write-behind.ts";
import { RunNotFoundError } from "../../../actors/errors.ts";
import type { Clock, Logger, ScopeIdentity } from "../../../actors/protocol.ts";
import { STEP_BEGINS, type RunFailure, type RunRecord, type StepRecord } from "./run-port.ts";
import type { ScopeSettings } from "../../../actors/scope/options.ts";
import { readRecord } from "../../../actors/scope/save-answer.ts";
import { isPlainObject } from "../../../actors/state/copy.ts";
import type { ProcessOwner } from "../../stores/shared/process-identity.ts";
import type { RecordBridge } from "../persistence/record-bridge.ts";
import type { ResolvedKind } from "../kinds.ts";

/** For a record that is stored. */
export const STORED: Promise<void> = Promise.resolve();
const NOTHING: readonly never[] = Object.freeze([]);
const NONE: Readonly<Record<string, never>> = Object.freeze({});

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
  readonly unchanged: { readonly since: number; readonly at: number };
  /**
   * When the finished steps ended, in order: milliseconds since `createdAt`. In a run that an
   * earlier release began, and in a fork, the first ones are absent.
   */
  readonly ends: readonly number[];
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
  readonly clock: Clock;
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
  /** The settings of the scopes of its kind. */
  readonly settings: ScopeSettings;
  /** True when other processes can reach the record. */
  readonly shared: boolean;
  version = 0;
  readonly #bridge: RecordBridge | null;
  readonly #writer: CheckpointWriter | null;
  readonly #clock: Clock;
  readonly #onStored: RunLogParts["onStored"];
  #record: StoredRun | null = null;
  /** Fields of the stored record that this release does not know; they stay in it. */
  #unknown: object | null = null;

  constructor({ runId, kind, bridge, logger, clock, onStored }: RunLogParts) {
    this.identity = { type: kind.type, id: runId };
    this.kind = kind;
    this.settings = kind.settings;
    this.shared = bridge !== null;
    this.#bridge = bridge;
    this.#clock = clock;
    this.#onStored = onStored;
    const { storeName } = kind.settings;
    // What was written is a record: a log removes none.
    const confirmed = (at: number, state?: object): void => onStored(at, state as StoredRun);
    const port = { logger, storeName, confirmed };
    this.#writer = bridge === null ? null : new CheckpointWriter(this, bridge, port);
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
    return this.#unknown === null ? this.record : { ...this.#unknown, ...this.record };
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

  /** Loads the stored record; resolves to this log. */
  async load(): Promise<this> {
    if (this.#bridge === null) return this;
    const found = await readRecord(this.#bridge, this.#bridge, "load");
    this.version = found.version;
    const state = found.state === undefined ? null : wholeRecord(found.state, this.identity);
    this.#record = state === null ? null : copyOf(state);
    this.#unknown = state === null ? null : unknownFields(state, this.record);
    this.#writer?.loaded(this.version);
    return this;
  }

  /** Changes fields; their values are frozen. */
  write(fields: Partial<StoredRun>): void {
    const next = copyOf(this.record);
    next.updatedAt = this.#clock.now();
    this.put(Object.assign(next, fields));
  }

  /** Puts a record in the place of this one: a copy, whose values are frozen. */
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
}

/**
 * A copy of a record with the fields of `step`, without fields that this release does not know. Its
 * literal names each field: all copies have one shape. V8 takes a hundred times as long for the
 * spread of a spread.
 */
export function copyOf(
  record: StoredRun,
  step: StepRecord = record,
): { -readonly [Name in keyof StoredRun]: StoredRun[Name] } {
  const copy = {
    runId: record.runId,
    sequencer: record.sequencer,
    definition: record.definition,
    steps: record.steps,
    stepIndex: record.stepIndex,
    input: record.input,
    state: record.state,
    unchanged: record.unchanged,
    outputs: record.outputs,
    status: record.status,
    effects: record.effects,
    answers: step.answers,
    timedOut: step.timedOut,
    answering: step.answering,
    sleeps: step.sleeps,
    transacted: step.transacted,
    starts: step.starts,
    tries: step.tries,
    suspension: record.suspension,
    answered: record.answered,
    error: record.error,
    createdAt: record.createdAt,
    updatedAt: record.updatedAt,
    lease: record.lease,
    wakeAt: record.wakeAt,
    scopes: record.scopes,
    history: record.history,
    ends: record.ends,
  };
  return record.once === undefined ? copy : { ...copy, once: record.once };
}

/** The part of a record that is a checkpoint. */
export function checkpointOf(record: StoredRun, version: number): Checkpoint {
  const { runId, sequencer, steps, stepIndex, state, outputs, status, error, createdAt } = record;
  const step = steps[stepIndex];
  const where = { runId, sequencer, stepIndex, ...(step !== undefined && { step }) };
  const why = status !== "failed" || error === null ? {} : { error };
  return { ...where, state, outputs, status, ...why, version, createdAt };
}

/**
 * A record that has not begun: fields that records of earlier releases may lack, and empty ones in
 * place of those that each run has of its own.
 */
export const NOT_BEGUN: StoredRun = Object.freeze({
  ...STEP_BEGINS,
  runId: "",
  sequencer: "",
  input: undefined,
  state: NONE,
  createdAt: 0,
  updatedAt: 0,
  definition: null,
  steps: NOTHING,
  stepIndex: 0,
  unchanged: Object.freeze({ since: 0, at: 0 }),
  outputs: NOTHING,
  status: "running",
  effects: NONE,
  suspension: null,
  answered: NOTHING,
  error: null,
  lease: null,
  wakeAt: null,
  scopes: NONE,
  history: NOTHING,
  ends: NOTHING,
});

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
  const [updatedAt, at]: unknown[] = [Reflect.get(state, "createdAt"), state.stepIndex];
  const whole = { ...NOT_BEGUN, updatedAt, unchanged: { since: at, at }, ...state };
  // A record with these fields was written by this class, in this release or an earlier one.
  return whole as unknown as StoredRun;
}

/** The fields of a stored record that are in no record of this release; `null`: none. */
function unknownFields(stored: StoredRun, known: StoredRun): object | null {
  const others = Object.entries(stored).filter(([name]) => !Object.hasOwn(known, name));
  return others.length === 0 ? null : Object.fromEntries(others);
}
