/** How long a tombstone is kept, from writes and options. */
import { durationOption } from "../../../actors/time/clock.ts";
import { type ScopeWrite, TOMBSTONE_MS } from "../contract.ts";

/**
 * Checks an option of milliseconds for which tombstones are kept; `Infinity` = forever. Throws a
 * `RangeError` for a negative number, NaN, or a value that is no number.
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
 * A server store keeps tombstones at least `timeoutMs` plus this; milliseconds. A call that took
 * effect may be retried meanwhile, and must find its tombstone.
 */
export const REPEATED_MS = 1_000;

/** How long a store keeps tombstones. */
export interface TombstoneRule {
  /** For a write without its own `tombstoneMs`; milliseconds. */
  readonly tombstoneMs: number;
  /** The minimum, because a call may be retried meanwhile; milliseconds, default 0. */
  readonly leastMs?: number;
}

/**
 * Milliseconds after a write from which its record can be removed; `undefined`: it stays until it
 * is written again. The caller passes `isDelete`, because reading the state may compute it.
 */
export function forgetAfterMs(
  { ttlMs, tombstoneMs }: ScopeWrite,
  isDelete: boolean,
  rule: TombstoneRule,
): number | undefined {
  if (ttlMs === undefined && !isDelete) return undefined;
  return (isDelete ? 0 : (ttlMs ?? 0)) + keptMs(tombstoneMs, rule);
}

/** The time after which the first of these writes can be removed; milliseconds. */
export function firstForgetMs(writes: readonly ScopeWrite[], rule: TombstoneRule): number {
  let first = Infinity; // A batch may have more writes than a call takes arguments.
  for (const { ttlMs = 0, tombstoneMs } of writes)
    first = Math.min(first, ttlMs + keptMs(tombstoneMs, rule));
  return first;
}

function keptMs(given: number | undefined, { tombstoneMs, leastMs = 0 }: TombstoneRule): number {
  return Math.max(given ?? tombstoneMs, leastMs);
}

/** When a write's record can be removed, in milliseconds since the epoch. */
export function forgetAt(
  write: ScopeWrite,
  isDelete: boolean,
  { now, ...rule }: TombstoneRule & { readonly now: number },
): number | undefined {
  const afterMs = forgetAfterMs(write, isDelete, rule);
  return afterMs === undefined ? undefined : now + afterMs;
}
