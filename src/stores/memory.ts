/** Records in a Map: for tests, for volatile scopes, and as the default of a runtime. */
import { applyPatches } from "../../actors/patches.ts";
import { systemClock } from "../../actors/clock.ts";
import type { Clock, Json, Patch } from "../../actors/protocol.ts";
import { createGate } from "./gate.ts";
import type { ListQuery, ScopeWrite, StateStore, StoredRecord, WriteResult } from "./store.ts";
import { createTurns } from "./turns.ts";
import {
  checkWrites,
  compareKeys,
  conflict,
  expiryOf,
  isAllOk,
  isExpired,
  patchesOf,
  toJsonText,
} from "./write-check.ts";

/** Options of `memoryStore`. */
export interface MemoryStoreOptions {
  /** Decides what has expired; default the system's clock. */
  readonly clock?: Clock;
}

interface Entry {
  readonly version: number;
  /** Never handed out and never changed: readers get a copy, a patch makes the next one. */
  readonly state: Json | undefined;
  readonly expires: number | undefined;
}

/** A copy made by way of JSON, so that memory keeps what every other store would. */
function copyJson<T extends Json | readonly Patch[]>(value: T): T {
  // JSON text of a T parses to a T: both are plain JSON.
  return JSON.parse(toJsonText(value)) as T;
}

function toRecord(entry: Entry | undefined, now: number): StoredRecord | undefined {
  if (entry === undefined) return undefined;
  const gone = entry.state === undefined || isExpired(entry.expires, now);
  return { version: entry.version, state: gone ? undefined : copyJson(entry.state) };
}

/** The state after `write`, sharing nothing with it; costs what the change costs when it has patches. */
function nextState(write: ScopeWrite, entry: Entry | undefined, now: number): Json | undefined {
  const patches = patchesOf(write);
  const base = entry?.state;
  if (patches !== undefined && base !== undefined && !isExpired(entry?.expires, now))
    return applyPatches(base, copyJson(patches));
  const state = write.state;
  return state === undefined ? undefined : copyJson(state);
}

/** A store that forgets everything with the process. Each call makes a separate one. */
export function memoryStore(options: MemoryStoreOptions = {}): StateStore {
  const clock = options.clock ?? systemClock;
  const entries = new Map<string, Entry>();
  const gate = createGate("memory");
  const turns = createTurns(clock);

  function commit(writes: readonly ScopeWrite[], atomic: boolean): WriteResult[] {
    checkWrites(writes);
    const now = clock.now();
    // Staged first: a state that JSON refuses must leave nothing of its batch behind.
    const staged = new Map<string, Entry>();
    const results = writes.map((write): WriteResult => {
      const { key, expectedVersion, version } = write;
      const entry = staged.get(key) ?? entries.get(key);
      if ((entry?.version ?? 0) !== expectedVersion || turns.isStale(key))
        return conflict(toRecord(entry, now));
      staged.set(key, {
        version,
        state: nextState(write, entry, now),
        expires: expiryOf(write, now),
      });
      return { ok: true, version };
    });
    if (atomic && !isAllOk(results))
      return writes.map(({ key }) => conflict(toRecord(entries.get(key), now)));
    for (const [key, entry] of staged) entries.set(key, entry);
    return results;
  }

  async function* list(query: ListQuery = {}): AsyncGenerator<string, void, undefined> {
    gate.check();
    const { prefix = "", after, limit = Infinity } = query;
    const now = clock.now();
    const keys: string[] = [];
    for (const [key, entry] of entries) {
      if (entry.state === undefined || isExpired(entry.expires, now)) continue;
      if (key.startsWith(prefix) && (after === undefined || key > after)) keys.push(key);
    }
    keys.sort(compareKeys);
    for (const key of keys.slice(0, limit)) {
      gate.check();
      yield key;
    }
  }

  return {
    name: "memory",
    supports: {
      durable: false,
      transactions: true,
      ttl: true,
      watch: false,
      list: true,
      exclusive: true,
    },
    load: (keys) =>
      gate.run(() => {
        const now = clock.now();
        return keys.map((key) => toRecord(entries.get(key), now));
      }),
    commit: (writes, { atomic = false } = {}) => gate.run(() => commit(writes, atomic)),
    list,
    exclusive: (key, ttlMs, turn) => gate.run(() => turns.run(key, ttlMs, turn)),
    close: () => gate.close(() => entries.clear()),
  };
}
