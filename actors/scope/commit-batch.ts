/**
 * A commit batch: the calls whose changes go into one save, and the calls whose results depend on
 * its state. It is data; `executor.ts` fills it and `committer.ts` saves it.
 *
 * Calls are applied to the draft state one after another as they come. The batch keeps each
 * outcome: one save carries all changes, and the calls resolve in order once it is confirmed.
 *
 * Invariants
 *  R1  The draft state is `base` with the outcomes of the calls applied in order, or `needsReplay`
 *      is set.
 *  R2  An outcome that depends on an unconfirmed change, also "no change" and an error, counts only
 *      after that change is confirmed; after a conflict it is computed again.
 *  R3  A batch contains at most `BATCH_MAX` calls; later ones wait in the mailbox.
 *  R4  A batch whose applied call was cancelled before the save was sent is computed again without
 *      it.
 *  R5  A commit has the patches of all its changes, or none.
 *  R6  A batch without changes is verified at the store, unless its base was read there after all
 *      its calls were made, or none of them needs it.
 */
import { difference } from "../state/diff.ts";
import { sizeBytes } from "../state/size.ts";
import type { OperationTrace } from "../operation-trace.ts";
import type { CommitInfo, CommittedChange, OperationName, Patch } from "../protocol.ts";
import type { Call, Outcome } from "./mailbox.ts";
import type { Mutation } from "./mutation.ts";
import type { ScopeSettings } from "./options.ts";
import type { Cascade } from "./reentrancy.ts";

/** Most calls in one save. */
export const BATCH_MAX = 131_072;

/** The scope of a save. */
interface SavedScope {
  readonly version: number;
  readonly exists: boolean;
  readonly settings: ScopeSettings;
}

/** Calls that share one save; see the head of this file. */
export class CommitBatch {
  /** The confirmed state under the batch; readers see it until the save is confirmed. */
  base: object;
  calls: readonly Call[] = [];
  /** How many calls changed something. */
  changes = 0;
  /** An applied call was cancelled: the draft state still contains its change (R4). */
  needsReplay = false;
  /** The base was read from the store after the batch was closed (R6). */
  isCurrent = false;
  /** The deepest cascade among its calls. */
  cause: Cascade | undefined = undefined;

  constructor(base: object) {
    this.base = base;
  }

  get full(): boolean {
    return this.calls.length >= BATCH_MAX;
  }

  /** The results count only once the store has confirmed the version of the base (R6). */
  needsVerification(settings: ScopeSettings): boolean {
    return !this.isCurrent && this.calls.some((call) => mustVerify(call, settings));
  }

  /** All its calls are settled. */
  get abandoned(): boolean {
    return this.calls.every((call) => call.settled);
  }

  /** The latest deadline of its calls, in milliseconds of `monotonic`. */
  get deadline(): number {
    return this.calls.reduce((latest, call) => Math.max(latest, call.deadline), 0);
  }

  /** All its changes in order; none if one was not recorded (R5). */
  get patches(): readonly Patch[] {
    const patches: Patch[] = [];
    for (const { outcome } of this.calls) {
      if (outcome?.changed !== true) continue;
      if (outcome.patches === null) return [];
      for (const patch of outcome.patches) patches.push(patch);
    }
    return patches;
  }

  /** What the trace of its save says of the batch; `next` is the state that is saved. */
  traced(next: object): Pick<OperationTrace, "batchSize" | "bytes" | "calls"> {
    const calls = this.calls.flatMap(({ trace, outcome }) =>
      trace != null && outcome?.changed === true ? [trace.message] : [],
    );
    return { batchSize: this.changes, bytes: sizeBytes(next), calls };
  }

  /** Adds a call with its outcome. */
  add(call: Call, outcome: Outcome): void {
    call.stage = "joined";
    if ((call.cause?.depth ?? 0) > (this.cause?.depth ?? 0)) this.cause = call.cause;
    (this.calls as Call[]).push(call); // Only the batch writes its list.
    call.outcome = outcome;
    call.trace?.ran();
    if (outcome.changed) this.changes += 1;
  }

  /** A call of the batch was cancelled; its change does not count. */
  cancelled(call: Call): void {
    if (call.outcome?.changed === true) this.needsReplay = true;
  }

  /** Keeps the outcome of a call of the batch that has run again. */
  record(call: Call, outcome: Outcome): void {
    call.outcome = outcome;
    call.trace?.ran();
    if (outcome.changed) this.changes += 1;
  }

  /** Starts again from the base; returns the calls that still wait, to be run in order. */
  restart(): readonly Call[] {
    this.calls = this.calls.filter((call) => !call.settled);
    for (const call of this.calls) {
      call.outcome = null;
      call.stage = "replaying";
    }
    this.changes = 0;
    this.needsReplay = false;
    return this.calls;
  }

  /** Some changes were made without subscribers, so their inverse patches were not kept. */
  get #unobserved(): boolean {
    return this.calls.some(({ outcome }) => outcome?.changed === true && !outcome.inverse);
  }

  /**
   * The confirmed changes with their patches, in order. A batch with unobserved changes reports all
   * of its patches with the first change.
   */
  *changesSince(before: object): Generator<readonly [Call, Outcome]> {
    const whole = this.#unobserved ? difference(before, this.base) : null;
    let rest = whole;
    for (const call of this.calls) {
      const { outcome } = call;
      if (outcome?.changed !== true) continue;
      yield [call, rest === null ? outcome : { ...outcome, ...rest }];
      if (whole !== null) rest = { state: whole.state, patches: [], inverse: [] };
    }
  }

  /** The content of the save, built on the confirmed version of the scope. */
  commit({ version: before, exists, settings }: SavedScope): CommitInfo {
    const operations: OperationName[] = [];
    for (const { outcome, mutation } of this.calls)
      if (outcome?.changed === true) operations.push(mutation.operation);
    const info = { version: before + this.changes, patches: this.patches, operations };
    if (!settings.history) return info;
    return { ...info, created: !exists, changes: this.#history(before, settings.clock.now()) };
  }

  /** Its changes for the history: their patches and inverse patches are always recorded. */
  #history(before: number, timestamp: number): CommittedChange[] {
    const changes: CommittedChange[] = [];
    for (const { outcome, mutation, options } of this.calls) {
      if (outcome?.changed !== true) continue;
      const version = before + changes.length + 1;
      changes.push(committedChange(mutation, outcome, { version, timestamp, meta: options?.meta }));
    }
    return changes;
  }
}

/** A change as a history keeps it, made from the version before it. */
export function committedChange(
  mutation: Mutation,
  outcome: Outcome,
  { version, timestamp, meta }: Pick<CommittedChange, "version" | "timestamp" | "meta">,
): CommittedChange {
  const { operation } = mutation;
  const [patches, inversePatches] = [outcome.patches ?? [], outcome.inverse ?? []];
  const historyNote = mutation.historyNote?.();
  const since = version - 1;
  const about = { version, since, timestamp, meta, historyNote };
  return { ...about, operation, patches, inversePatches };
}

/** True when the result of a call counts only once the store has confirmed the version. */
export function mustVerify({ work }: Call, { verifies }: ScopeSettings): boolean {
  return verifies || "verifies" in work;
}

/** True when a write with the change of a call is under way, in a save of its batch or a task. */
export function isUncertain(
  { stage, work }: Call,
  batch: { readonly inFlight: boolean } | null,
): boolean {
  if (stage === "joined") return batch?.inFlight === true;
  return "task" in work && work.unknown === true;
}
