/** Shared by the tests of sequencers: hand-opened promises, quiet runtimes, replaceable stores. */
import {
  createRuntime,
  type JsonObject,
  type Runtime,
  type RuntimeOptions,
  type StateStore,
} from "../../src/index.ts";

const quiet = { warn: () => undefined, error: () => undefined };

/** A runtime on a store that says nothing of the failures a test makes. */
export function runtimeOn(store: StateStore, options: RuntimeOptions = {}): Runtime {
  return createRuntime({ store, logger: quiet, ...options });
}

/** A store's members as plain functions, so that one can be replaced. */
export function memoryView(store: StateStore): StateStore {
  return {
    name: store.name,
    supports: store.supports,
    load: (keys) => store.load(keys),
    commit: (writes, options) => store.commit(writes, options),
    list: (query) => store.list(query),
    close: () => store.close(),
  };
}

/** The record of a run as it is stored; `undefined` when there is none. */
export async function storedRun(store: StateStore, runId: string): Promise<JsonObject | undefined> {
  const [record] = await store.load([`holdfast/sequencer/${runId}`]);
  // A run is stored as an object.
  return record?.state as JsonObject | undefined;
}

/** Stores a run's record as a process of another release, or another owner, would. */
export async function writeRun(
  store: StateStore,
  runId: string,
  change: (record: JsonObject | undefined) => JsonObject,
): Promise<void> {
  const key = `holdfast/sequencer/${runId}`;
  const [record] = await store.load([key]);
  const expectedVersion = record?.version ?? 0;
  const state = change(await storedRun(store, runId));
  const [result] = await store.commit([
    { key, expectedVersion, version: expectedVersion + 1, state },
  ]);
  if (result?.ok !== true) throw new Error(`run "${runId}" was changed meanwhile`);
}
