/** Records in a Map: for tests, for volatile scopes, and the default of a runtime. */
import { applyPatches } from "../../../actors/state/patches.ts";
import { systemClock } from "../../../actors/time/clock.ts";
import type { Clock, ExclusiveWait, Json, Patch } from "../../../actors/protocol.ts";
import { createGate } from "../shared/closable.ts";
import type {
  CommitOptions,
  HistoryKeep,
  HistoryQuery,
  HistoryRow,
  ListQuery,
  ScopeWrite,
  StateStore,
  StoredRecord,
  StoreSupports,
  VersionCheck,
  WriteResult,
} from "../contract.ts";
import { createTurns, type Section, type Turns } from "../shared/exclusive-lease.ts";
import {
  checkWrites,
  conflict,
  expiryOf,
  isAllOk,
  isExpired,
  leftMs,
  patchesOf,
  selectKeys,
  stateText,
  toJsonText,
} from "../shared/writes.ts";
import { EVERY_STORE } from "../shared/supports.ts";
import { Sweeper } from "../shared/sweeper.ts";
import { forgetAt, tombstoneOption } from "../shared/tombstones.ts";
import { Histories, type StagedRows } from "./histories.ts";
import { refuseUnknown } from "../../../actors/scope/options.ts";

/** Options of `memoryStore`. */
export interface MemoryStoreOptions {
  /** The clock of expiry; default the system's clock. */
  readonly clock?: Clock | undefined;
  /** Milliseconds for which tombstones are kept when a kind sets none; default 7 days. */
  readonly tombstoneMs?: number | undefined;
}

const KNOWN = ["clock", "tombstoneMs"] satisfies readonly (keyof MemoryStoreOptions)[];
/** The most records of one sweep batch. */
const SWEPT_AT_ONCE = 1_000;

/** A state of so many characters of JSON or more is changed by patches; below, a copy is faster. */
const PATCHED_FROM_CHARS = 8192;

interface Entry {
  readonly version: number;
  readonly large: boolean;
  /** Never shared and never changed: readers get a copy, a patch makes a new value. */
  readonly state: Json | undefined;
  readonly expires: number | undefined;
  /** When it can be removed, in milliseconds since the epoch; `undefined`: it stays. */
  readonly forgets: number | undefined;
}

/** A record after a write, with the rows that its history then has. */
interface Staged {
  readonly entry: Entry;
  readonly rows: StagedRows;
}

/** A copy made through JSON, so that memory keeps what every other store would. */
function copyJson<T extends Json | readonly Patch[]>(value: T): T {
  // JSON text of a T parses to a T: both are plain JSON.
  return JSON.parse(toJsonText(value)) as T;
}

function toRecord(entry: Entry | undefined, now: number): StoredRecord | undefined {
  if (entry === undefined) return undefined;
  const { version, state, expires } = entry;
  if (state === undefined || isExpired(expires, now)) return { version, state: undefined };
  return { version, state: copyJson(state), leftMs: leftMs(expires, now) };
}

/**
 * The record after `write`, sharing nothing with it. With patches, a large state costs what the
 * change costs.
 */
function nextEntry(
  write: ScopeWrite,
  entry: Entry | undefined,
  { now, tombstoneMs }: { readonly now: number; readonly tombstoneMs: number },
): Entry {
  const { version } = write;
  const expires = expiryOf(write, now);
  const forgets = (isDelete: boolean): number | undefined =>
    forgetAt(write, isDelete, { tombstoneMs, now });
  if (entry?.state !== undefined && entry.large && !isExpired(entry.expires, now)) {
    const patches = patchesOf(write);
    if (patches !== undefined) {
      const state = applyPatches(entry.state, copyJson(patches));
      return { version, large: true, state, expires, forgets: forgets(false) };
    }
  }
  const text = stateText(write);
  if (text === undefined)
    return { version, large: false, state: undefined, expires, forgets: forgets(true) };
  // The text was made from a Json.
  const state = JSON.parse(text) as Json;
  const large = text.length >= PATCHED_FROM_CHARS;
  return { version, large, state, expires, forgets: forgets(false) };
}

class MemoryStore implements StateStore {
  readonly name = "memory";
  readonly supports: StoreSupports = {
    ...EVERY_STORE,
    durable: false,
    transactions: true,
    watch: false,
    shared: true,
    checks: true,
    immediate: true,
  };
  readonly tombstoneMs: number;
  readonly #clock: Clock;
  readonly #entries = new Map<string, Entry>();
  readonly #histories = new Histories();
  readonly #closable = createGate("memory");
  readonly #sections: Turns;
  readonly #sweeper: Sweeper;
  /** A running sweep through all records, batch by batch; null between sweeps. */
  #walk: Iterator<[string, Entry]> | null = null;
  /** The earliest expiry that the sweep found and did not remove. */
  #next = Infinity;

  constructor(clock: Clock, tombstoneMs: number) {
    this.#clock = clock;
    this.tombstoneMs = tombstoneMs;
    this.#sections = createTurns(clock);
    this.#sweeper = new Sweeper({
      clock,
      sweep: () => this.#closable.run(() => this.#sweep(clock.now())),
      isShared: false,
    });
  }

  load(keys: readonly string[]): Promise<(StoredRecord | undefined)[]> {
    return this.#closable.run(() => {
      const now = this.#clock.now();
      this.#sweeper.used();
      return keys.map((key) => toRecord(this.#entries.get(key), now));
    });
  }

  commit(writes: readonly ScopeWrite[], options: CommitOptions = {}): Promise<WriteResult[]> {
    return this.#closable.run(() => this.#commit(writes, options));
  }

  async *list(query: ListQuery = {}): AsyncGenerator<string, void, undefined> {
    this.#closable.check();
    const now = this.#clock.now();
    const living: string[] = [];
    for (const [key, entry] of this.#entries) {
      if (entry.state !== undefined && !isExpired(entry.expires, now)) living.push(key);
    }
    for (const key of selectKeys(living, query)) {
      this.#closable.check();
      yield key;
    }
  }

  exclusive<T>(key: string, ttlMs: number, section: Section<T>, wait?: ExclusiveWait): Promise<T> {
    return this.#closable.run(() => this.#sections.run(key, ttlMs, section, wait));
  }

  erase(keys: readonly string[]): Promise<boolean[]> {
    return this.#closable.run(() => keys.map((key) => this.#remove(key)));
  }

  history(key: string, query: HistoryQuery = {}): Promise<HistoryRow[]> {
    return this.#closable.run(() => {
      const entry = this.#entries.get(key);
      const isLiving = entry?.state !== undefined && !isExpired(entry.expires, this.#clock.now());
      if (!isLiving) return [];
      return this.#histories.select(key, query);
    });
  }

  pruneHistory(key: string, keep: HistoryKeep): Promise<number> {
    return this.#closable.run(() => this.#histories.prune(key, keep));
  }

  close(): Promise<void> {
    this.#sweeper.stop();
    return this.#closable.close(() => {
      this.#entries.clear();
      this.#histories.clear();
    });
  }

  #remove(key: string): boolean {
    this.#histories.delete(key);
    return this.#entries.delete(key);
  }

  #sweep(now: number): number {
    this.#walk ??= this.#entries.entries();
    for (let looks = 0; looks < SWEPT_AT_ONCE; looks += 1) {
      const { done, value } = this.#walk.next();
      if (done === true) {
        const next = this.#next;
        [this.#walk, this.#next] = [null, Infinity];
        return next;
      }
      const [key, { forgets = Infinity }] = value;
      if (forgets <= now) this.#remove(key);
      else this.#next = Math.min(this.#next, forgets);
    }
    return -Infinity;
  }

  #commit(
    writes: readonly ScopeWrite[],
    { atomic = false, checks = [] }: CommitOptions,
  ): WriteResult[] {
    checkWrites(writes, checks);
    const now = this.#clock.now();
    const checked = checks.map((check) => this.#check(check, now));
    // Staged first: a state that JSON refuses must not leave part of its batch stored.
    const staged = new Map<string, Staged>();
    const results = writes.map((write): WriteResult => {
      const { key, expectedVersion, version } = write;
      const before = staged.get(key);
      const entry = before?.entry ?? this.#entries.get(key);
      if ((entry?.version ?? 0) !== expectedVersion || this.#sections.isStale(key))
        return conflict(toRecord(entry, now));
      const next = nextEntry(write, entry, { now, tombstoneMs: this.tombstoneMs });
      const rows = this.#histories.staged(write, before?.rows, next.state === undefined);
      staged.set(key, { entry: next, rows });
      return { ok: true, version };
    });
    if (atomic && !(isAllOk(results) && isAllOk(checked))) {
      const refused = writes.map(({ key }) => conflict(toRecord(this.#entries.get(key), now)));
      return [...refused, ...checked];
    }
    for (const [key, { entry, rows }] of staged) {
      this.#entries.set(key, entry);
      this.#histories.add(key, rows);
      this.#sweeper.leaves(entry.forgets);
    }
    this.#sweeper.used();
    return [...results, ...checked];
  }

  #check({ key, expectedVersion: version }: VersionCheck, now: number): WriteResult {
    const entry = this.#entries.get(key);
    return (entry?.version ?? 0) === version
      ? { ok: true, version }
      : conflict(toRecord(entry, now));
  }
}

/**
 * A store that keeps its records until the process ends. Each call makes a separate store. All
 * users of one store object count as one owner: `exclusive` serializes sections, not the commits
 * outside of them.
 */
export function memoryStore(options: MemoryStoreOptions = {}): StateStore {
  refuseUnknown("memoryStore", options, KNOWN);
  return new MemoryStore(options.clock ?? systemClock, tombstoneOption(options.tombstoneMs));
}
