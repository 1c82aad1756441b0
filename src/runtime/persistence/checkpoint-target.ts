/** Where the checkpoints of a scope are stored, and how one is sent there. */
import type { CommitInfo, SaveResult } from "../../../actors/protocol.ts";
import { SAVES, type Traced, tracedSave } from "../../../actors/scope/trace.ts";
import { sizeBytes } from "../../../actors/state/size.ts";
import type { Attempt } from "./unknown-writes.ts";

/** The target of checkpoints. */
export interface CheckpointTarget {
  save(next: object, expectedVersion: number, commit: CommitInfo): Promise<SaveResult<object>>;
  delete(expectedVersion: number, version: number): Promise<SaveResult<object>>;
}

/** One request to store a checkpoint. */
export interface CheckpointRequest extends Attempt {
  readonly expected: number;
  /** 1, then 2 and up for each time that a conflict is resolved. */
  readonly attempt: number;
  /** What the history of the scope gets. */
  readonly history: Pick<CommitInfo, "changes" | "created"> | undefined;
}

/**
 * Sends one checkpoint of a scope; `settings` has the logger of its runtime. Never throws: what
 * fails before the request is made rejects too.
 */
export async function sendCheckpoint(
  { identity }: Pick<Traced, "identity">,
  request: CheckpointRequest,
  target: CheckpointTarget,
  settings: Traced["settings"],
): Promise<SaveResult<object>> {
  if (!SAVES.hasSubscribers) return send(target, request);
  const { state, version, expected, attempt } = request;
  const bytes = state === undefined ? undefined : sizeBytes(state);
  const operation = state === undefined ? "delete" : "checkpoint";
  const known = { operation, attempt, batchSize: Math.max(1, version - expected), bytes };
  return tracedSave({ identity, settings }, known, send.bind(null, target, request));
}

function send(
  target: CheckpointTarget,
  { state, version, expected, history }: CheckpointRequest,
): Promise<SaveResult<object>> {
  if (state === undefined) return target.delete(expected, version);
  return target.save(state, expected, { version, patches: [], operations: [], ...history });
}
