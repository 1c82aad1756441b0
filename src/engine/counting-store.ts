/**
 * A store that counts the commits to another store.
 *
 * A write has the version it expects and the version it makes; the difference is its number of
 * mutations. More than one means that they were folded into one save.
 */
import type { StateStore } from "../index.ts";

/** The counts of one type of scope. */
export interface Tally {
  /** Changes that took effect. */
  mutations: number;
  /** Writes that the store accepted. */
  saves: number;
  /** Writes that the store refused, because another process had written the record. */
  conflicts: number;
}

/** A counting store and its counts. */
export interface CountingStore {
  readonly store: StateStore;
  /** By type of scope. */
  readonly tallies: ReadonlyMap<string, Tally>;
  /** The number of commits, each of any number of writes. */
  readonly batches: () => number;
}

/** Wraps `inner`; `namespace` is the runtime's. */
export function countingStore(inner: StateStore, namespace: string): CountingStore {
  const tallies = new Map<string, Tally>();
  let batches = 0;
  const commit: StateStore["commit"] = async (writes, options) => {
    if (writes.length > 0) batches += 1; // Checks alone save nothing.
    const results = await inner.commit(writes, options);
    writes.forEach(({ key, version, expectedVersion }, index) => {
      const tally = tallyOf(tallies, typeOf(key, namespace));
      const isSaved = results[index]?.ok === true;
      tally.saves += isSaved ? 1 : 0;
      tally.mutations += isSaved ? version - expectedVersion : 0;
      tally.conflicts += isSaved ? 0 : 1;
    });
    return results;
  };
  const store: StateStore = {
    name: inner.name,
    supports: inner.supports,
    load: (keys) => inner.load(keys),
    commit,
    list: (query) => inner.list(query),
    ...(inner.exclusive === undefined ? {} : { exclusive: inner.exclusive.bind(inner) }),
    ...(inner.erase === undefined ? {} : { erase: inner.erase.bind(inner) }),
    close: () => inner.close(),
  };
  return { store, tallies, batches: () => batches };
}

/** The type of a key; a key outside of the namespace stores which user a session belongs to. */
function typeOf(key: string, namespace: string): string {
  const [first, type] = key.split("/", 2);
  return first === namespace && type !== undefined ? type : "session owners";
}

function tallyOf(tallies: Map<string, Tally>, type: string): Tally {
  const known = tallies.get(type);
  if (known !== undefined) return known;
  const tally: Tally = { mutations: 0, saves: 0, conflicts: 0 };
  tallies.set(type, tally);
  return tally;
}
