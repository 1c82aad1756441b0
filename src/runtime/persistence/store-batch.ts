/** Sends a batch to a store, whatever the store supports: checks, atomic batches, deletes. */
import { StoreUnavailableError } from "../../../actors/errors.ts";
import type {
  CommitOptions,
  ScopeWrite,
  StateStore,
  VersionCheck,
  WriteResult,
} from "../../stores/contract.ts";
import { checkedRecords, checkedResults } from "./store-answer.ts";

/** Commits a gathered batch; the results have the order of the requests. */
export async function commitBatch(
  store: StateStore,
  requests: readonly (ScopeWrite | VersionCheck)[],
): Promise<WriteResult[]> {
  const writes = requests.filter(isWrite);
  if (writes.length === requests.length) return commitWith(store, writes, {});
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

/** Attempts to delete a record that others write meanwhile. */
const DELETE_ATTEMPTS = 10;

/** Deletes a record, whatever its version; answers whether there was one. */
export async function deleteOf(store: StateStore, key: string): Promise<boolean> {
  for (let attempt = 0; attempt < DELETE_ATTEMPTS; attempt += 1) {
    const [record] = checkedRecords(await store.load([key]), 1);
    if (record?.state === undefined) return false;
    const expectedVersion = record.version;
    const version = expectedVersion + 1;
    const write = { key, expectedVersion, version, state: undefined, tombstoneMs: 0 };
    const [result] = checkedResults(await store.commit([write]), 1);
    if (result?.ok === true) return true;
  }
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
