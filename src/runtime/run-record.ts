/**
 * What is stored of a run: the kernel's record with its lease, its scopes and its history.
 */
import type { Head } from "../../actors/apply.ts";
import type { Mutation } from "../../actors/mutation.ts";
import type { ScopeIdentity } from "../../actors/protocol.ts";
import type { RunRecord } from "../../actors/sequencer.ts";
import { copyIn } from "../../actors/values.ts";
import type { ProcessOwner } from "../stores/process-owner.ts";
import type { ScopeHome } from "./home.ts";
import type { ResidentScope } from "./resident.ts";
import type { RunScopes, Sequencer } from "./sequence.ts";

/** Scopes of any state, by the names under which steps find them; an execution's context fits. */
export type GivenScopes = {
  readonly [Name in keyof RunScopes]?: { readonly identity: ScopeIdentity } | undefined;
};

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

/** Sets fields of the record, and adds an output; values are frozen already. */
class RecordChange implements Mutation {
  readonly operation = "update";
  readonly #fields: Partial<StoredRun>;
  readonly #added: { readonly output: unknown } | undefined;

  constructor(fields: Partial<StoredRun>, added?: { readonly output: unknown }) {
    this.#fields = fields;
    this.#added = added;
  }

  write(head: Head): void {
    if (this.#added !== undefined) head.push("outputs", this.#added.output);
    for (const [field, value] of Object.entries(this.#fields)) head.set(field, value);
  }
}

/** Changes a record in memory; it is stored behind. */
export function writeRecord(
  scope: ResidentScope,
  fields: Partial<StoredRun>,
  added?: { readonly output: unknown },
): void {
  // Plain data on a scope that saves behind is applied in this call. Only a stopped scope refuses
  // it; then the run has been told to end, and its next check says so.
  scope.mutate(new RecordChange(fields, added)).catch(() => undefined);
}

/** The record in a scope of the sequencer kind. */
export function recordOf(scope: ResidentScope): StoredRun {
  return scope.state as StoredRun; // Written by this file only.
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

const SCOPE_NAMES = ["request", "session", "user", "org"] as const;

/** What the record of a new run is made from. */
export interface NewRun {
  readonly runId: string;
  readonly sequencer: Sequencer<never>;
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
  const identities = SCOPE_NAMES.flatMap((name) => {
    const given = scopes?.[name];
    return given === undefined ? [] : [[name, given.identity] as const];
  });
  return {
    runId,
    sequencer: sequencer.name,
    stepIndex: 0,
    input,
    state: initial,
    outputs: NOTHING,
    status: "running",
    once: NONE,
    answers: NOTHING,
    suspension: null,
    createdAt,
    lease: null,
    scopes: identities.length === 0 ? NONE : copyIn(Object.fromEntries(identities), "scopes"),
    history: NOTHING,
  };
}

const NOTHING: readonly never[] = Object.freeze([]);
const NONE: Readonly<Record<string, never>> = Object.freeze({});
