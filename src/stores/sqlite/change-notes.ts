/**
 * The notes of commits for the watchers of other connections.
 *
 * A commit notes its keys and versions in the same transaction, and only while another store object
 * is registered as a watcher: without one, a commit costs one read. Notes have numbers without
 * gaps, so a watcher detects that it missed some; old notes are removed.
 *
 * Invariants
 *  N1  A watcher whose registration has not expired is seen by every commit after it.
 *  N2  A change without a note (by an older release, or by hand) moves `data_version`. It counts
 *      as missed when no note of another connection came with it.
 */
import { bytesToText, columnOf } from "./driver.ts";
import type { Statements } from "./schema.ts";
import type { ScopeWrite, WriteResult } from "../contract.ts";

/** A commit of more records is noted without keys, as missed changes. */
const NOTED_KEYS_MAX = 256;
/** How many notes are kept; a watcher that is further behind gets `missed`. */
const NOTES_KEPT = 512;
/** Old notes are removed once per so many notes of this connection. */
const NOTES_PER_REMOVAL = 128;

/** The position up to which a watcher has read the changes. */
export interface ChangePosition {
  readonly seq: number;
  readonly dataVersion: number;
}

/** What changed since a position. */
export interface ChangeReport {
  readonly position: ChangePosition;
  readonly changes: readonly (readonly [key: string, version: number])[];
  /** True when there may be more than `changes`. */
  readonly missed: boolean;
}

/** The notes of one connection. Every method runs inside a transaction of the caller. */
export class ChangeNotes {
  readonly #statements: Statements;
  readonly #owner: string;
  readonly #isWatchable: boolean;
  #noted = 0;

  constructor(fields: { statements: Statements; owner: string; isWatchable: boolean }) {
    this.#statements = fields.statements;
    this.#owner = fields.owner;
    this.#isWatchable = fields.isWatchable;
  }

  /** Notes the writes that took effect. */
  noteWrites(writes: readonly ScopeWrite[], results: readonly WriteResult[]): void {
    if (!this.#isWatched()) return;
    const done = writes.filter((_, at) => results[at]?.ok === true);
    const named = done.map(({ key, version }): [string, number] => [key, version]);
    if (named.length > 0) this.#add(named.length > NOTED_KEYS_MAX ? null : JSON.stringify(named));
  }

  /** Notes that the file changed without a change of a record. */
  noteOther(): void {
    if (this.#isWatched()) this.#add("[]");
  }

  /**
   * Notes that keys were erased, with the version after the erased one, and removes them from all
   * earlier notes: a watcher that has not read those gets `missed`. Returns whether the new note
   * names the keys: then the caller must call `redact` a while later.
   */
  noteErased(keys: readonly (readonly [key: string, version: number])[]): boolean {
    this.#redact(keys, null);
    const isWatched = this.#isWatched();
    if (isWatched) this.#add(keys.length > NOTED_KEYS_MAX ? null : JSON.stringify(keys));
    return isWatched;
  }

  /** Removes keys from the note that they were erased. */
  redact(keys: readonly (readonly [key: string, version: number])[]): void {
    this.#redact(keys, "[]");
    this.noteOther();
  }

  /** Registers this connection's watcher until `until`; removes notes that have no reader. */
  register(now: number, until: number): ChangePosition {
    const { dropWatchers, clearNotes, watch } = this.#statements;
    dropWatchers.run(now);
    clearNotes.run(this.#owner);
    watch.run(this.#owner, until);
    this.noteOther();
    return this.#position();
  }

  /** Extends the registration. */
  renew(until: number): void {
    this.#statements.watch.run(this.#owner, until);
    this.noteOther();
  }

  /** Removes the registration. */
  unregister(): void {
    this.#statements.unwatch.run(this.#owner);
    this.noteOther();
  }

  /** What others changed since `from`; `undefined` when nothing changed. */
  since(from: ChangePosition): ChangeReport | undefined {
    const position = this.#position();
    const { seq, dataVersion } = position;
    if (seq === from.seq && dataVersion === from.dataVersion) return undefined;
    const rows = this.#statements.notes.all(this.#owner, this.#owner, from.seq);
    const changes: (readonly [string, number])[] = [];
    let missed = rows.length !== seq - from.seq;
    let others = 0;
    for (const row of rows) {
      if (columnOf(row, "mine") === 1) continue;
      others += 1;
      const noted = readKeys(bytesToText(columnOf(row, "keys")));
      if (noted === undefined) missed = true;
      else changes.push(...noted);
    }
    const isUnnoted = dataVersion !== from.dataVersion && others === 0;
    return { position, changes, missed: missed || isUnnoted };
  }

  #redact(keys: readonly (readonly [string, number])[], left: string | null): void {
    // As it is written in a note; a text that only ends so is removed with it.
    for (const [key] of keys) this.#statements.redactNotes.run(left, JSON.stringify(key));
  }

  #isWatched(): boolean {
    if (!this.#isWatchable) return false;
    // Real time, not the injected clock: it decides which processes are running.
    const found = this.#statements.watched.get(this.#owner, Date.now());
    return found !== undefined && found !== null;
  }

  #add(keys: string | null): void {
    const { note, dropNotes } = this.#statements;
    note.run(this.#owner, keys);
    this.#noted += 1;
    if (this.#noted % NOTES_PER_REMOVAL === 0) dropNotes.run(NOTES_KEPT);
  }

  #position(): ChangePosition {
    const { lastNote, dataVersion } = this.#statements;
    return {
      seq: Number(columnOf(lastNote.get(), "seq")),
      dataVersion: Number(columnOf(dataVersion.get(), "data_version")),
    };
  }
}

/** The keys and versions of a note; `undefined` when it names none, or is damaged. */
function readKeys(text: string | undefined): (readonly [string, number])[] | undefined {
  if (text === undefined) return undefined;
  try {
    const noted: unknown = JSON.parse(text);
    return Array.isArray(noted) && noted.every(isChange) ? noted : undefined;
  } catch {
    return undefined;
  }
}

function isChange(value: unknown): value is readonly [string, number] {
  if (!Array.isArray(value)) return false;
  return typeof value[0] === "string" && typeof value[1] === "number";
}
