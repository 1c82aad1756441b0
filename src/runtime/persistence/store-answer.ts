/**
 * Checks the results of a store before anything builds on them: a store can be user code.
 */
import { CommitUnknownError, StoreContractError } from "../../../actors/errors.ts";
import type { StoredRecord, WriteResult } from "../../stores/contract.ts";

/** Checks the records of `count` keys; throws `StoreContractError` for another shape. */
export function checkedRecords(
  results: readonly (StoredRecord | undefined)[],
  count: number,
): readonly (StoredRecord | undefined)[] {
  refuseCount(results, count);
  if (!results.every(isRecord)) throw contractError("a record or nothing per key", "another shape");
  return results;
}

/**
 * Checks the results of `count` writes. For another shape it is unknown what was written: throws
 * `CommitUnknownError`, caused by a `StoreContractError`.
 */
export function checkedResults(results: WriteResult[], count: number): WriteResult[] {
  try {
    refuseCount(results, count);
    if (!results.every(isResult)) throw contractError("a result per write", "another shape");
    return results;
  } catch (cause) {
    throw new CommitUnknownError({ cause });
  }
}

function refuseCount(results: unknown, count: number): void {
  if (!Array.isArray(results)) throw contractError("a list of results", typeof results);
  if (results.length !== count) throw contractError(`${count} results`, results.length);
}

function contractError(expected: string, received: unknown): StoreContractError {
  return new StoreContractError({ expected, received });
}

function isRecord(value: unknown): boolean {
  return value === undefined || (isObject(value) && typeof value["version"] === "number");
}

function isResult(value: unknown): boolean {
  if (!isObject(value)) return false;
  return value["ok"] === true || (value["ok"] === false && isRecord(value["current"]));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
