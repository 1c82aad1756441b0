/**
 * Writes one record. Each method returns whether the write took effect.
 *
 * A small record is one row and one UPDATE. A large one has its last whole state in a separate row
 * and a log of patches, so that a small change costs the same whatever the size of the state.
 */
import type { Patch } from "../../../actors/protocol.ts";
import { toAsciiKey } from "../shared/ascii-key.ts";
import {
  APART_FROM_CHARS,
  isLarge,
  type LargeKeys,
  LOG_COUNT_MAX,
} from "../shared/large-records.ts";
import type { SqliteValue } from "./driver.ts";
import { logSum, recordSum } from "./reader.ts";
import type { HistoryTable } from "./history.ts";
import { FORM, type Statements } from "./schema.ts";
import type { ScopeWrite } from "../contract.ts";
import { forgetAt } from "../shared/tombstones.ts";
import { patchesOf, stateText, toJsonText } from "../shared/writes.ts";

/** A write with its key encoded. */
interface RowWrite {
  readonly write: ScopeWrite;
  readonly key: string;
  readonly expires: number | null;
  readonly now: number;
}

/** What a writer is made from. */
export interface WriterParts {
  readonly statements: Statements;
  /** Names this store object in leases: a lease of another owner makes a conflict. */
  readonly owner: string;
  readonly large: LargeKeys;
  readonly tombstoneMs: number;
  readonly history: HistoryTable;
  /** Called with the time at which a record that was written can be removed. */
  readonly leaves: (at: number) => void;
}

/** Writes records with the statements of one connection. */
export class RecordWriter {
  readonly #parts: WriterParts;
  readonly #statements: Statements;
  readonly #large: LargeKeys;

  constructor(parts: WriterParts) {
    this.#parts = parts;
    this.#statements = parts.statements;
    this.#large = parts.large;
  }

  /**
   * Updates a small record with a single statement that also checks the leases. Returns false when
   * that does not apply: nothing was written then, and `write` determines the reason.
   */
  updateAlone(write: ScopeWrite, now: number): boolean {
    const row = this.#row(write, now);
    if (write.expectedVersion === 0 || this.#large.has(row.key)) return false;
    const { state } = write;
    if (state === undefined) return false;
    const text = toJsonText(state);
    if (text.length >= APART_FROM_CHARS || !this.#update(row, text, true)) return false;
    const { history } = write;
    if (history !== undefined) this.#parts.history.add(write, history);
    return true;
  }

  /** True while any key is leased to another owner: then check `isBlocked` for each write. */
  isAnyBlocked(now: number): boolean {
    return isFound(this.#statements.leased.get(this.#parts.owner, now));
  }

  /** True while the key of `write` is leased to another owner. */
  isBlocked({ key }: ScopeWrite, now: number): boolean {
    return isFound(this.#statements.blocked.get(toAsciiKey(key), this.#parts.owner, now));
  }

  /** Writes any record; needs a transaction around it, because it can take several statements. */
  write(write: ScopeWrite, now: number): boolean {
    const row = this.#row(write, now);
    if (this.#large.has(row.key)) {
      const patches = patchesOf(write);
      if (patches !== undefined && this.#append(row, patches)) return this.#added(write);
      // A conflict must not compute the text of a large state.
      return this.#isExpected(row) && this.#writeState(row, stateText(write));
    }
    const text = stateText(write);
    const patches = isLarge(text) ? patchesOf(write) : undefined;
    if (patches === undefined || !this.#append(row, patches)) return this.#writeState(row, text);
    this.#large.add(row.key);
    return this.#added(write);
  }

  #row(write: ScopeWrite, now: number): RowWrite {
    const { ttlMs } = write;
    return {
      write,
      key: toAsciiKey(write.key),
      expires: ttlMs === undefined ? null : now + ttlMs,
      now,
    };
  }

  /** Adds what a write that took effect adds to the history; returns true. */
  #added(write: ScopeWrite): true {
    const { history } = write;
    if (history !== undefined) this.#parts.history.add(write, history);
    return true;
  }

  #writeState(row: RowWrite, text: string | undefined): boolean {
    const { key, write } = row;
    if (write.expectedVersion === 0) {
      if (!this.#insert(row, text)) return false;
    } else {
      if (text !== undefined && !isLarge(text) && this.#update(row, text, false))
        return this.#added(write);
      if (!this.#replace(row, text)) return false;
      this.#statements.dropPatches.run(key);
      this.#statements.dropBase.run(key);
      if (text === undefined) this.#parts.history.drop(key);
    }
    if (isLarge(text)) {
      this.#large.add(key);
      const { version } = write;
      const sum = logSum({ key, version, since: 0, text });
      this.#statements.addBase.run(version, sum, text, key);
    }
    return this.#added(write);
  }

  /** Removes everything stored under an encoded key; returns whether there was something. */
  remove(key: string): boolean {
    this.#statements.dropPatches.run(key);
    this.#statements.dropBase.run(key);
    this.#parts.history.drop(key);
    this.#large.delete(key);
    return this.#statements.erase.run(key).changes > 0;
  }

  #isExpected({ key, write }: RowWrite): boolean {
    const found = this.#statements.head.get(key);
    if (typeof found !== "object" || found === null) return write.expectedVersion === 0;
    return "version" in found && found.version === write.expectedVersion;
  }

  #insert(row: RowWrite, text: string | undefined): boolean {
    return this.#statements.insert.run(...this.#shape(row, text), row.key).changes > 0;
  }

  #replace(row: RowWrite, text: string | undefined): boolean {
    const { key, write } = row;
    const { replace } = this.#statements;
    return replace.run(...this.#shape(row, text), key, write.expectedVersion).changes > 0;
  }

  /** Stores a small state, in a small row; `alone` also checks the leases. */
  #update(row: RowWrite, state: string, alone: boolean): boolean {
    const { key, expires, now } = row;
    const { version, expectedVersion } = row.write;
    const sum = recordSum({ key, version, form: FORM.inline, expires, state });
    const forgets = expires === null ? null : this.#forgets(row, false);
    const { update, updateAlone } = this.#statements;
    // Without lists of parameters: this is every usual write.
    if (!alone)
      return update.run(version, expires, forgets, sum, state, key, expectedVersion).changes > 0;
    const { owner } = this.#parts;
    return (
      updateAlone.run(version, expires, forgets, sum, state, key, expectedVersion, owner, now)
        .changes > 0
    );
  }

  #append(row: RowWrite, patches: readonly Patch[]): boolean {
    const { key, expires, now } = row;
    const { version, expectedVersion } = row.write;
    const text = toJsonText(patches);
    const size = text.length;
    const sum = recordSum({ key, version, form: FORM.apart, expires, state: null });
    const where = [key, expectedVersion, size, LOG_COUNT_MAX, now];
    const { append, addPatch } = this.#statements;
    const values = [version, expires, this.#forgets(row, false), sum, size];
    if (!(append.run(...values, ...where).changes > 0)) return false;
    const since = expectedVersion;
    addPatch.run(version, since, logSum({ key, version, since, text }), text, key);
    return true;
  }

  /** The first parameters of `insert` and `replace`: any state or none. */
  #shape(row: RowWrite, text: string | undefined): SqliteValue[] {
    const { key, expires } = row;
    const { version } = row.write;
    let form: number = FORM.inline;
    if (text === undefined) form = FORM.dead;
    else if (isLarge(text)) form = FORM.apart;
    const state = form === FORM.inline ? (text ?? null) : null;
    const baseSize = form === FORM.apart ? (text?.length ?? 0) : 0;
    const sum = recordSum({ key, version, form, expires, state });
    return [version, form, expires, this.#forgets(row, text === undefined), sum, state, baseSize];
  }

  /** When a record can be removed; `null`: it stays until it is written again. */
  #forgets({ write, now }: RowWrite, isDelete: boolean): number | null {
    const { tombstoneMs, leaves } = this.#parts;
    const at = forgetAt(write, isDelete, { tombstoneMs, now });
    if (at !== undefined) leaves(at);
    return at ?? null;
  }
}

function isFound(row: unknown): boolean {
  return row !== undefined && row !== null;
}
