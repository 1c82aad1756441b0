/** The changes of a scope's history as JSON Patches, which need the states before them. */
import { isHoldfastError } from "../../actors/errors.ts";
import { applyPatches } from "../patches/apply-patches.ts";
import type { JsonPatchOperation } from "../patches/to-json-patch.ts";
import type { HistoryEntry, HistoryOptions, Scope } from "../runtime/scope-types.ts";
import type { Exposure } from "./exposure.ts";
import type { JsonObject } from "../../actors/protocol.ts";

/** A change as clients receive it. */
export interface ExposedChange {
  readonly version: number;
  readonly operation: string;
  readonly patch: readonly JsonPatchOperation[];
  readonly meta?: JsonObject;
}

/** A change of the past. */
export interface PastExposed {
  readonly change: ExposedChange;
  /** Milliseconds since the epoch. */
  readonly timestamp: number;
}

/** Most reads of changes that are removed by later ones before their states are read. */
const READS_MAX = 10;

/**
 * What `read` resolves to, which reads changes and then their states. It reads again when the
 * changes were removed meanwhile, and there are none when that goes on.
 */
export async function whileKept<C>(read: () => Promise<C[]>): Promise<C[]> {
  for (let reads = 1; reads <= READS_MAX; reads += 1) {
    try {
      return await read();
    } catch (error) {
      if (!isHoldfastError(error, "HISTORY_GONE")) throw error;
    }
  }
  return [];
}

/** The changes that `options` select and that are still kept, newest first. */
export function pastChanges(
  scope: Scope<object>,
  exposure: Exposure,
  options: HistoryOptions,
): Promise<PastExposed[]> {
  return whileKept(() => selectedChanges(scope, exposure, options));
}

/** Rejects with `HistoryGoneError` when the newest of them is removed before its state is read. */
async function selectedChanges(
  scope: Scope<object>,
  exposure: Exposure,
  options: HistoryOptions,
): Promise<PastExposed[]> {
  const entries: HistoryEntry[] = [];
  for await (const entry of scope.history(options)) entries.push(entry);
  const changes: PastExposed[] = [];
  let after: { version: number; state: object } = { version: scope.version, state: scope.state };
  for (const entry of entries) {
    if (after.version !== entry.version) after = await scope.at(entry.version);
    const state = applyPatches(after.state, entry.inversePatches);
    const change = exposedChange(entry, state, exposure);
    changes.push({ change, timestamp: entry.timestamp });
    after = { version: entry.version - 1, state };
  }
  return changes;
}

/** A change of `before`, as far as it is exposed. */
export function exposedChange(
  change: Pick<HistoryEntry, "version" | "operation" | "patches" | "meta">,
  before: object,
  exposure: Exposure,
): ExposedChange {
  const { version, operation, patches, meta } = change;
  const patch = exposure.patch(patches, before);
  const extra = meta === undefined || !exposure.isWhole ? {} : { meta };
  return { version, operation, patch, ...extra };
}
