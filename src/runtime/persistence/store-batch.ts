/**
 * Sends a batch to a store, whatever the store supports (checks, atomic batches, deletes), and
 * checks its results before anything builds on them: a store can be user code.
 */
import {
  CommitUnknownError,
  StoreContractError,
  StoreUnavailableError,
} from "../../../actors/errors.ts";
import { isRefused, ownRetries, retry, type SaveStep } from "../../../actors/scope/retry.ts";
import type {
  CommitOptions,
  ScopeWrite,
  StateStore,
  StoredRecord,
  VersionCheck,
  WriteResult,
} from "../../stores/contract.ts";

/** Commits a gathered batch; the results have the order of the requests. */
export async function commitBatch(
  store: StateStore,
  requests: readonly (ScopeWrite | VersionCheck)[],
): Promise<WriteResult[]> {
  for (const request of requests) if (!("version" in request)) return commitMixed(store, requests);
  // Sound: every request has a version, which makes it a write.
  const results = await store.commit(requests as readonly ScopeWrite[]);
  return checkedResults(results, requests.length);
}

async function commitMixed(
  store: StateStore,
  requests: readonly (ScopeWrite | VersionCheck)[],
): Promise<WriteResult[]> {
  const writes = requests.filter(isWrite);
  const checks = requests.filter((request) => !isWrite(request));
  const results = await commitWith(store, writes, { checks });
  const [written, checked] = [results.values(), results.slice(writes.length).values()];
  // There is a result for each request.
  return requests.map((each) => (isWrite(each) ? written : checked).next().value as WriteResult);
}

function isWrite(request: ScopeWrite | VersionCheck): request is ScopeWrite {
  return "version" in request;
}

/** Commits writes and verifies checks, by `load` where the store takes no checks. */
export async function commitWith(
  store: StateStore,
  writes: readonly ScopeWrite[],
  { atomic = false, checks = [] }: CommitOptions,
): Promise<WriteResult[]> {
  const options = atomic ? { atomic } : undefined;
  if (checks.length === 0)
    return checkedResults(await store.commit(writes, options), writes.length);
  if (store.supports.checks === true) {
    const results = await store.commit(writes, { ...options, checks });
    return checkedResults(results, writes.length + checks.length);
  }
  // Read first: a batch that is atomic is not sent when one of its checks fails.
  const records = checkedRecords(await store.load(checks.map(({ key }) => key)), checks.length);
  const checked = checks.map(({ expectedVersion }, index): WriteResult => {
    const current = records[index];
    const version = current?.version ?? 0;
    return version === expectedVersion ? { ok: true, version } : { ok: false, current };
  });
  if (writes.length === 0) return checked;
  if (atomic && !checked.every(({ ok }) => ok))
    return [...(await refusal(store, writes)), ...checked];
  return [...checkedResults(await store.commit(writes, options), writes.length), ...checked];
}

/** For a record that others write meanwhile. */
const DELETE_RETRIES = ownRetries({ maxRetries: 9, maxDelayMs: 50 });

/**
 * Deletes records, whatever their versions; answers which there were. Settles once each is deleted
 * or has failed: a deletion that came later could remove what was written since.
 */
export async function deleteAll(store: StateStore, keys: readonly string[]): Promise<boolean[]> {
  const ends = await Promise.allSettled(keys.map((key) => deleteOf(store, key)));
  return ends.map((end) => {
    if (end.status === "rejected") throw end.reason;
    return end.value;
  });
}

async function deleteOf(store: StateStore, key: string): Promise<boolean> {
  const attempt = async (): Promise<SaveStep> => {
    const [record] = checkedRecords(await store.load([key]), 1);
    if (record?.state === undefined) return "empty";
    const expectedVersion = record.version;
    const version = expectedVersion + 1;
    const write = { key, expectedVersion, version, state: undefined, tombstoneMs: 0 };
    const [result] = checkedResults(await store.commit([write]), 1);
    return result?.ok === true ? "saved" : "conflict";
  };
  const end = await retry({ ...DELETE_RETRIES, attempt });
  if (!isRefused(end)) return end === "saved";
  throw new StoreUnavailableError(`the ${store.name} record is written all the time; try again`);
}

/** What is there in place of writes that were not sent. */
export async function refusal(
  store: StateStore,
  writes: readonly ScopeWrite[],
): Promise<WriteResult[]> {
  const records = checkedRecords(await store.load(writes.map(({ key }) => key)), writes.length);
  return records.map((current) => ({ ok: false, current }));
}

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
function checkedResults(results: WriteResult[], count: number): WriteResult[] {
  try {
    if (!Array.isArray(results) || results.length !== count) refuseCount(results, count);
    const found: readonly (Partial<Record<string, unknown>> | null | undefined)[] = results;
    for (const result of found)
      if (result?.["ok"] !== true && !(result?.["ok"] === false && isRecord(result["current"])))
        throw contractError("a result per write", "another shape");
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
  if (value === undefined) return true;
  return (
    typeof value === "object" && value !== null && typeof Reflect.get(value, "version") === "number"
  );
}
