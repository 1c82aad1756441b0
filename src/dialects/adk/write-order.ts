/**
 * The order of writes, so that an older write that is stored later does not undo a newer one.
 *
 * A stamp is a number that grows with every write of this process and with time. A stamp of another
 * process advances the counter when it is read. So a write has a greater stamp than every value
 * that its writer could see. Two writes without knowledge of each other are ordered by the clocks
 * of their hosts.
 *
 * Invariants
 *  W1  Of two stamped writes of a key the one with the greater stamp is kept, in whatever order
 *      they are stored. A write without a stamp counts as made when it is stored.
 *  W2  A stamp belongs to one key of one delta object; a copy of a delta has none.
 */
import { put, type Fields } from "./fields.ts";

/** Stamps by key. */
export type Stamps = Readonly<Record<string, number>>;

/** Values to store, `undefined` to delete, and the stamps of those that have one. */
export interface Writes {
  readonly values: Readonly<Fields>;
  readonly stamps: Stamps;
}

/** An empty set of writes. */
export function noWrites(): Writes {
  return { values: {}, stamps: {} };
}

/** Stored values, with the stamp of each key's last write. */
export interface StampedValues {
  readonly values: Readonly<Fields>;
  /** Absent in records of earlier versions. */
  readonly stamps?: Stamps | undefined;
}

/** The number of stamps per millisecond. */
const STAMPS_PER_MS = 1_000;
/** The maximum number of stamps kept of deleted keys. */
const DELETED_MAX = 64;

let last = 0;
const written = new WeakMap<object, Map<string, number>>();

/** A stamp greater than all that were made or read here. */
export function nextStamp(): number {
  last = Math.max(last + 1, Date.now() * STAMPS_PER_MS);
  return last;
}

/** Later writes get greater stamps than these. */
export function seeStamps(stamps: Stamps | undefined): void {
  for (const stamp of Object.values(stamps ?? {}))
    if (Number.isSafeInteger(stamp) && stamp > last) last = stamp;
}

/** Stamps a key of a delta that was written now. */
export function stampWrite(delta: object, key: string): void {
  const stamps = written.get(delta) ?? new Map<string, number>();
  written.set(delta, stamps.set(key, nextStamp()));
}

/** The writes of a delta, with its stamps. */
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

/** Both sets of writes; of two writes of a key the newer one, `second` when it has no stamp. */
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

/** The values after the writes (W1); the same objects when there are none. */
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

/** The keys of writes that a later write replaced. */
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
