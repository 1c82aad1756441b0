/** Checks and conversions of writes that all stores share. */
import { StateSerializationError, StateTooLargeError } from "../../../actors/errors.ts";
import type { Json, Patch } from "../../../actors/protocol.ts";
import { isError } from "../../../actors/realm.ts";
import type { ListQuery, ScopeWrite, StoredRecord, VersionCheck } from "../contract.ts";
import { checkTtl } from "./exclusive-lease.ts";
import { checkTombstone } from "./tombstones.ts";

/** The errors of writes that `checkWrites` refused. */
const refusals = new WeakSet<Error>();

/** True when one write was refused by `checkWrites`: nothing of its batch was sent or stored. */
export function isRefusedWrite(error: unknown): boolean {
  return isError(error) && refusals.has(error);
}

/** Refuses a batch that no store could keep as a whole, before any of it takes effect. */
export function checkWrites(
  writes: readonly ScopeWrite[],
  checks: readonly VersionCheck[] = [],
): void {
  try {
    for (const write of writes) {
      checkVersion(write);
      const { expectedVersion, version, ttlMs, tombstoneMs } = write;
      if (!Number.isSafeInteger(version) || version <= expectedVersion)
        throw new RangeError(`version must be over ${expectedVersion}, received ${version}`);
      if (ttlMs !== undefined) checkTtl(ttlMs);
      if (tombstoneMs !== undefined) checkTombstone(tombstoneMs);
    }
  } catch (error) {
    if (isError(error)) refusals.add(error);
    throw error;
  }
  checks.forEach(checkVersion);
}

function checkVersion({ key, expectedVersion }: VersionCheck): void {
  if (typeof key !== "string") throw new TypeError(`key must be text, received ${typeof key}`);
  if (!Number.isSafeInteger(expectedVersion) || expectedVersion < 0)
    throw new RangeError(`expectedVersion must be a whole number, received ${expectedVersion}`);
}

/** The patches of a write, if it has any; without them the state alone describes the write. */
export function patchesOf(write: ScopeWrite): readonly Patch[] | undefined {
  // Read once: it may be computed when read.
  const patches: readonly Patch[] | undefined = write.patches;
  return patches === undefined || patches.length === 0 ? undefined : patches;
}

/** Splits a batch so that no part has a key twice, and each key's writes keep their order. */
export function wavesOf<T>(items: readonly T[], keyOf: (item: T) => string): T[][] {
  const waves: T[][] = [];
  const seen = new Map<string, number>();
  for (const item of items) {
    const key = keyOf(item);
    const wave = seen.get(key) ?? 0;
    seen.set(key, wave + 1);
    (waves[wave] ??= []).push(item);
  }
  return waves;
}

/** Throws `StateTooLargeError` for a text of more bytes in UTF-8. */
export function checkBytes(text: string, limitBytes: number): void {
  // A character takes at most three bytes, so most texts need no counting.
  if (text.length * 3 <= limitBytes) return;
  const sizeBytes = Buffer.byteLength(text);
  if (sizeBytes > limitBytes) throw new StateTooLargeError({ sizeBytes, limitBytes });
}

/**
 * JSON text of a state or of patches; throws `StateSerializationError` for a value JSON cannot
 * represent.
 */
export function toJsonText(value: Json | readonly Patch[]): string {
  let text: string | undefined;
  try {
    // The declared type is text; a function or symbol that got past the types gives undefined.
    text = JSON.stringify(value) as string | undefined;
  } catch (cause) {
    throw new StateSerializationError({ path: "", reason: "a value JSON cannot hold" }, { cause });
  }
  if (text === undefined)
    throw new StateSerializationError({ path: "", reason: `a value of type ${typeof value}` });
  return text;
}

/**
 * JSON text of a write's state; `undefined` for a delete. Reads the state, which may compute it.
 */
export function stateText(write: ScopeWrite): string | undefined {
  const state = write.state;
  return state === undefined ? undefined : toJsonText(state);
}

/** When a write's record expires, in milliseconds since the epoch; `undefined`: never. */
export function expiryOf(write: ScopeWrite, now: number): number | undefined {
  return write.ttlMs === undefined ? undefined : now + write.ttlMs;
}

/** True when a record that expires at `expires` has expired at `now`. */
export function isExpired(expires: number | null | undefined, now: number): boolean {
  return expires !== undefined && expires !== null && expires <= now;
}

/** Milliseconds until a record expires, at `now`; `undefined` when it never does. */
export function leftMs(expires: number | null | undefined, now: number): number | undefined {
  return expires === undefined || expires === null ? undefined : expires - now;
}

/** The result of `list`, from all keys that are no tombstones, for stores with them in memory. */
export function selectKeys(living: readonly string[], query: ListQuery): string[] {
  const { prefix = "", after, limit, reverse = false } = query;
  const isAfter = (key: string): boolean =>
    after === undefined || (reverse ? key < after : key > after);
  const matching = living.filter((key) => key.startsWith(prefix) && isAfter(key));
  const few = limit === undefined || reverse ? matching : lowest(matching, limit);
  // Without a function `sort` compares UTF-16 code units, as the contract requires.
  const sorted = few.toSorted();
  return (reverse ? sorted.toReversed() : sorted).slice(0, limit);
}

/** The lowest keys of many, at least `count`: in one pass, for a short page of a long list. */
function lowest(keys: readonly string[], count: number): readonly string[] {
  const room = Math.max(1, count) * 2;
  if (keys.length <= room) return keys;
  let kept: string[] = [];
  let highest: string | undefined;
  for (const key of keys) {
    if (highest !== undefined && key > highest) continue;
    kept.push(key);
    if (kept.length < room) continue;
    kept = kept.toSorted().slice(0, count);
    highest = kept.at(-1);
  }
  return kept;
}

/** The result of a write that met `current`. */
export function conflict(current: StoredRecord | undefined): {
  readonly ok: false;
  readonly current: StoredRecord | undefined;
} {
  return { ok: false, current };
}

/** False when an atomic batch met a conflict, so that none of its writes may take effect. */
export function isAllOk(results: readonly { readonly ok: boolean }[]): boolean {
  for (const { ok } of results) if (!ok) return false;
  return true;
}
