/** How long a tombstone is kept, as writes and options say it. */
import { durationOption } from "../../../actors/time/clock.ts";
import { type ScopeWrite, TOMBSTONE_MS } from "../contract.ts";

/**
 * Milliseconds for which tombstones are kept, from an option; `Infinity` = for good. Throws a
 * `RangeError` for a negative number, NaN, or what is no number.
 */
export function checkTombstone(tombstoneMs: number | undefined): void {
  if (durationOption("tombstoneMs", tombstoneMs, 0) >= 0) return;
  throw new RangeError(`tombstoneMs must be at least 0, received ${tombstoneMs}`);
}

/** The option `tombstoneMs` of a store, with its default. */
export function tombstoneOption(tombstoneMs: number | undefined): number {
  checkTombstone(tombstoneMs);
  return tombstoneMs ?? TOMBSTONE_MS;
}

/**
 * A server store keeps tombstones at least `timeoutMs` and so long: a call that took effect may be
 * repeated meanwhile, and must find what it left.
 */
export const REPEATED_MS = 1_000;

/** What a store keeps tombstones by. */
export interface TombstoneRule {
  /** When a write does not say. */
  readonly tombstoneMs: number;
  /** At least so long, because a call may be repeated meanwhile; default 0. */
  readonly leastMs?: number;
}

/**
 * Milliseconds after a write from which on nothing has to be kept of its record; `undefined`: the
 * record lives until it is written again. `isDelete` is asked of the caller, for to read the state
 * may compute it.
 */
export function forgetAfterMs(
  { ttlMs, tombstoneMs }: ScopeWrite,
  isDelete: boolean,
  rule: TombstoneRule,
): number | undefined {
  if (ttlMs === undefined && !isDelete) return undefined;
  return (isDelete ? 0 : (ttlMs ?? 0)) + keptMs(tombstoneMs, rule);
}

/** The time after which something of these writes may be over; milliseconds. */
export function firstForgetMs(writes: readonly ScopeWrite[], rule: TombstoneRule): number {
  let first = Infinity; // A batch may have more writes than a call takes arguments.
  for (const { ttlMs = 0, tombstoneMs } of writes)
    first = Math.min(first, ttlMs + keptMs(tombstoneMs, rule));
  return first;
}

function keptMs(given: number | undefined, { tombstoneMs, leastMs = 0 }: TombstoneRule): number {
  return Math.max(given ?? tombstoneMs, leastMs);
}

/** When nothing has to be kept of a write's record, in milliseconds since the epoch. */
export function forgetAt(
  write: ScopeWrite,
  isDelete: boolean,
  { now, ...rule }: TombstoneRule & { readonly now: number },
): number | undefined {
  const afterMs = forgetAfterMs(write, isDelete, rule);
  return afterMs === undefined ? undefined : now + afterMs;
}
