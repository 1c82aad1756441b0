/**
 * A pending write or check of a batch, and what is known of it.
 *
 * A check changes nothing: it is retried like a read, and leaves nothing in doubt.
 */
import { CommitUnknownError } from "../../../actors/errors.ts";
import { type RecordKeys, recordKeys } from "./keys.ts";
import { readFound } from "./reader.ts";
import { CHECK, UNTIL_AT } from "./scripts.ts";
import type { RedisRequest } from "./pipeline.ts";
import type { ScopeWrite, VersionCheck, WriteResult } from "../contract.ts";
import { conflict } from "../shared/writes.ts";

interface Sent {
  readonly key: string;
  readonly keys: RecordKeys;
  request: RedisRequest;
  /** `open`: no result yet. `again`: its patches cannot be appended, the state must be sent. */
  stage: "open" | "again" | "closed";
  /** True when an attempt without a reply may have taken effect. */
  isDoubtful: boolean;
  outcome: WriteResult | undefined;
  failure: unknown;
}

/** One pending write. */
export interface PendingWrite extends Sent {
  readonly write: ScopeWrite;
  readonly operation: number;
}

/** One pending check. */
export interface PendingCheck extends Sent {
  readonly check: VersionCheck;
}

/** One request of a batch. */
export type Pending = PendingWrite | PendingCheck;

/** The fields of a request before it is sent. */
export const UNSENT: Readonly<Pick<Sent, "stage" | "isDoubtful" | "outcome" | "failure">> = {
  stage: "open",
  isDoubtful: false,
  outcome: undefined,
  failure: undefined,
};

/** A check to send. */
export function pendingCheck(prefix: string, check: VersionCheck): PendingCheck {
  const { key, expectedVersion } = check;
  const keys = recordKeys(prefix, key);
  const request: RedisRequest = {
    script: CHECK,
    keys: [keys.head, keys.base, keys.log],
    args: [String(expectedVersion)],
    isRead: true,
  };
  return { check, key, keys, request, ...UNSENT };
}

/** Reads the result of `CHECK`; throws as `readFound` does. */
export function checkResult({ check, keys }: PendingCheck, value: unknown): WriteResult {
  const { expectedVersion: version } = check;
  if (Array.isArray(value) && value[0] === "same") return { ok: true, version };
  const { record } = readFound(value, keys.head);
  return (record?.version ?? 0) === version ? { ok: true, version } : conflict(record);
}

/** Allows a new record only until `until`, by the server's clock. */
export function withinTime(pending: PendingWrite, until: string): PendingWrite {
  if (pending.write.expectedVersion > 0) return pending;
  const { request } = pending;
  return { ...pending, request: { ...request, args: request.args.with(UNTIL_AT, until) } };
}

/** True for a check, which changes nothing. */
export function isCheck(pending: Pending): pending is PendingCheck {
  return "check" in pending;
}

/** True when it is not known, and may never be, whether a request took effect. */
export function isInDoubt({ outcome, isDoubtful }: Pending): boolean {
  return outcome === undefined && isDoubtful;
}

/** True when a request changed a record, or may have. */
export function mayBeWritten(pending: Pending): boolean {
  return !isCheck(pending) && (pending.outcome?.ok === true || isInDoubt(pending));
}

/** The error of an unknown outcome, for this reason. */
export function unknownBecause(cause: unknown): CommitUnknownError {
  return cause instanceof CommitUnknownError ? cause : new CommitUnknownError({ cause });
}
