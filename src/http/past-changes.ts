/** The changes of a scope's history as JSON Patches, which need the states before them. */
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

/** The changes that `options` select, newest first. */
export async function pastChanges(
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
