/**
 * When values were written, so that an older write that is stored later takes nothing back.
 *
 * A stamp is a number that grows with every write of this process and with time. Stamps of others
 * are counted in when they are read, so a write has a greater stamp than every value its writer
 * could see; two writes that knew nothing of each other are ordered by the clocks of their hosts.
 *
 * Invariants
 *  W1  Of two stamped writes of a key the one with the greater stamp stays, in whatever order they
 *      are stored. A write without a stamp counts as made when it is stored.
 *  W2  A stamp belongs to one key of one delta object; a copy of a delta has none.
 */
import { put, type Fields } from "./thaw.ts";

/** Stamps by key. */
export type Stamps = Readonly<Record<string, number>>;

/** Values to store, `undefined` to delete, and the stamps of those that have one. */
export interface Writes {
  readonly values: Readonly<Fields>;
  readonly stamps: Stamps;
}

/** No writes yet. */
export function noWrites(): Writes {
  return { values: {}, stamps: {} };
}

/** Values as they are stored, with the stamp of each key's last write. */
export interface StampedValues {
  readonly values: Readonly<Fields>;
  /** Absent in records of earlier versions. */
  readonly stamps?: Stamps | undefined;
}

/** Room for writes within one millisecond. */
const STAMPS_PER_MS = 1_000;
/** Stamps kept of keys that were deleted. */
const DELETED_MAX = 64;

let last = 0;
const written = new WeakMap<object, Map<string, number>>();

/** A stamp greater than all that were made or seen here. */
export function nextStamp(): number {
  last = Math.max(last + 1, Date.now() * STAMPS_PER_MS);
  return last;
}

/** Writes made from now on come after these. */
export function seeStamps(stamps: Stamps | undefined): void {
  for (const stamp of Object.values(stamps ?? {}))
    if (Number.isSafeInteger(stamp) && stamp > last) last = stamp;
}

/** A key of a delta was written now. */
export function stampWrite(delta: object, key: string): void {
  const stamps = written.get(delta) ?? new Map<string, number>();
  written.set(delta, stamps.set(key, nextStamp()));
}

/** What a delta says, with its stamps. */
export function writesOf(delta: Readonly<Fields>): Writes {
  const stamps = {};
  const known = written.get(delta);
  for (const key of known === undefined ? [] : Object.keys(delta)) {
    const stamp = known?.get(key);
    if (stamp !== undefined) put(stamps, key, stamp);
  }
  return { values: delta, stamps };
}

/** The stamp of a key. */
export function stampAt(stamps: Stamps | undefined, key: string): number | undefined {
  return stamps !== undefined && Object.hasOwn(stamps, key) ? stamps[key] : undefined;
}

/** Both; of two writes of a key the newer one, `second` when it has no stamp. */
export function joined(first: Writes, second: Writes): Writes {
  const values = { ...first.values };
  const stamps = { ...first.stamps };
  for (const [key, value] of Object.entries(second.values)) {
    const stamp = stampAt(second.stamps, key);
    if (isOlder(stamp, stampAt(first.stamps, key))) continue;
    put(values, key, value);
    if (stamp === undefined) delete stamps[key];
    else put(stamps, key, stamp);
  }
  return { values, stamps };
}

/** The values after writes (W1); the same objects when there are none. */
export function merged(stored: StampedValues, { values: writes, stamps }: Writes): StampedValues {
  const keys = Object.keys(writes);
  if (keys.length === 0) return { values: stored.values, stamps: stored.stamps ?? {} };
  const values: Fields = { ...stored.values };
  const next: Record<string, number> = { ...stored.stamps };
  for (const key of keys) {
    const [known, stamp] = [stampAt(stored.stamps, key), stampAt(stamps, key)];
    if (isOlder(stamp, known)) continue;
    put(next, key, stamp ?? Math.max(nextStamp(), (known ?? 0) + 1));
    if (writes[key] === undefined) delete values[key];
    else put(values, key, writes[key]);
  }
  forgetDeleted(next, values);
  return { values, stamps: next };
}

/** The keys of writes that a later write took the place of. */
export function outlived({ values, stamps }: Writes, stored: StampedValues): string[] {
  const known = stored.stamps;
  return Object.keys(values).filter((key) => isOlder(stampAt(stamps, key), stampAt(known, key)));
}

function isOlder(stamp: number | undefined, than: number | undefined): boolean {
  return stamp !== undefined && than !== undefined && stamp < than;
}

function forgetDeleted(stamps: Record<string, number>, values: Readonly<Fields>): void {
  const deleted = Object.entries(stamps).filter(([key]) => !Object.hasOwn(values, key));
  if (deleted.length <= DELETED_MAX) return;
  const oldest = deleted.toSorted(([, left], [, right]) => left - right);
  for (const [key] of oldest.slice(0, deleted.length - DELETED_MAX)) delete stamps[key];
}
