/** Converts a script's result to a record, and reports damage and foreign data. */
import { CorruptStateError, StoreUnavailableError } from "../../../actors/errors.ts";
import { isLarge } from "../shared/large-records.ts";
import { type Damaged, type LogStep, parseJson, replay } from "../shared/patch-log.ts";
import { FORMAT } from "./scripts.ts";
import type { StoredRecord } from "../contract.ts";

/** The record a script found, and whether its state is large. */
export interface FoundRecord {
  readonly record: StoredRecord | undefined;
  readonly isLarge: boolean;
}

/**
 * Reads a result of `found` in scripts.ts. Throws `CorruptStateError` for damage and for a value
 * that is no record, naming the Redis key; `StoreUnavailableError` for a record of a newer format.
 */
export function readFound(result: unknown, head: string): FoundRecord {
  const [kind, ...rest]: readonly unknown[] = Array.isArray(result) ? result : [];
  if (kind === "none") return { record: undefined, isLarge: false };
  if (kind === "foreign") throw foreign(String(rest[0]));
  if (kind === "newer") throw newer(head, String(rest[0]));
  const damage: Damaged = (reason, cause) => damaged(head, reason, cause);
  const version = versionIn(rest[0], damage);
  if (kind === "dead") return { record: { version, state: undefined }, isLarge: false };
  const leftMs = rest[1] === "" ? undefined : Number(rest[1]);
  if (kind === "inline") {
    const record = { version, state: parseJson(String(rest[2]), damage), leftMs };
    return { record, isLarge: false };
  }
  if (kind !== "apart") throw damage("its result has an unknown shape");
  const [, , since, base, log] = rest;
  if (typeof base !== "string" || !Array.isArray(log)) throw damage("its base is missing");
  const from = { state: parseJson(base, damage), version: Number(since) };
  const state = replay(from, stepsOf(log, damage), version, damage);
  return { record: { version, state, leftMs }, isLarge: isLarge(base) };
}

function versionIn(text: unknown, damage: Damaged): number {
  const version = Number(text);
  if (Number.isSafeInteger(version) && version > 0) return version;
  throw damage("its version is no number");
}

/** The error for a key with a value that this store did not write. */
export function foreign(redisKey: string): CorruptStateError {
  return damaged(redisKey, "something else is stored there: move it, or use another keyPrefix");
}

/** The error for a value that this store wrote and cannot read. */
export function damaged(redisKey: string, reason: string, cause?: unknown): CorruptStateError {
  return new CorruptStateError({ location: `Redis key ${redisKey}`, reason }, { cause });
}

function newer(head: string, format: string): StoreUnavailableError {
  return new StoreUnavailableError(
    `Redis key ${head} has format ${format}, and this version of holdfast reads ${FORMAT}; ` +
      "update holdfast",
  );
}

function* stepsOf(log: readonly unknown[], damage: Damaged): Generator<LogStep> {
  for (const entry of log) {
    const [, since, version, text = ""] = /^(\d+) (\d+) (.*)$/s.exec(String(entry)) ?? [];
    yield { since: Number(since), version: Number(version), patches: parseJson(text, damage) };
  }
}

/** A log entry in the format that `stepsOf` reads. */
export function logEntry(since: number, version: number, patches: string): string {
  return `${since} ${version} ${patches}`;
}
