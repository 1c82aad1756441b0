/**
 * Writes one record. Each method returns whether the write took effect.
 *
 * A small record is one row and one UPDATE. A large one has its last whole state in a separate row
 * and a log of patches, so that a small change costs the same whatever the size of the state.
 */
import type { Patch } from "../../../actors/protocol.ts";
import { toAsciiKey } from "../shared/ascii-key.ts";
import { isLarge, type LargeKeys, LOG_COUNT_MAX } from "../shared/large-records.ts";
import type { SqliteValue } from "./driver.ts";
import { logSum, recordSum } from "./reader.ts";
import type { HistoryTable } from "./history.ts";
import { FORM, type Statements } from "./schema.ts";
import type { ScopeWrite } from "../contract.ts";
import { forgetAt } from "../shared/tombstones.ts";
import { expiryOf, patchesOf, stateText, toJsonText } from "../shared/writes.ts";

/** A write with its key encoded and its times computed. */
interface RowWrite {
  readonly key: string;
  readonly version: number;
  readonly expectedVersion: number;
  readonly expires: number | null;
  /** When it can be removed. */
  readonly forgets: (isDelete: boolean) => number | null;
  readonly now: number;
}

/** Writes records with the statements of one connection. */
export class RecordWriter {
  readonly #statements: Statements;
  readonly #owner: string;
  readonly #large: LargeKeys;
  readonly #tombstoneMs: number;
  readonly #history: HistoryTable;

  /** `owner` names this store object in leases: a lease of another owner makes a conflict. */
  constructor(fields: {
    statements: Statements;
    owner: string;
    large: LargeKeys;
    tombstoneMs: number;
    history: HistoryTable;
  }) {
    this.#history = fields.history;
    this.#tombstoneMs = fields.tombstoneMs;
    this.#statements = fields.statements;
    this.#owner = fields.owner;
    this.#large = fields.large;
  }

  /**
   * Updates a small record with a single statement that also checks the leases. Returns false when
   * that does not apply: nothing was written then, and `write` determines the reason.
   */
  updateAlone(write: ScopeWrite, now: number): boolean {
    const row = this.#row(write, now);
    if (row.expectedVersion === 0 || this.#large.has(row.key)) return false;
    const text = stateText(write);
    if (text === undefined || isLarge(text)) return false;
    const { updateAlone } = this.#statements;
    if (!changed(updateAlone.run(...inlineValues(row, text), this.#owner, now))) return false;
    this.#history.add(write);
    return true;
  }

  /** True while any key is leased to another owner: then check `isBlocked` for each write. */
  isAnyBlocked(now: number): boolean {
    return isFound(this.#statements.leased.get(this.#owner, now));
  }

  /** True while the key of `write` is leased to another owner. */
  isBlocked(write: ScopeWrite, now: number): boolean {
    return isFound(this.#statements.blocked.get(toAsciiKey(write.key), this.#owner, now));
  }

  /** Writes any record; needs a transaction around it, because it can take several statements. */
  write(write: ScopeWrite, now: number): boolean {
    const isWritten = this.#write(write, now);
    if (isWritten) this.#history.add(write);
    return isWritten;
  }

  #write(write: ScopeWrite, now: number): boolean {
    const row = this.#row(write, now);
    if (this.#large.has(row.key)) {
      const patches = patchesOf(write);
      if (patches !== undefined && this.#append(row, patches)) return true;
      // A conflict must not compute the text of a large state.
      return this.#isExpected(row) && this.#writeState(row, stateText(write));
    }
    const text = stateText(write);
    const patches = isLarge(text) ? patchesOf(write) : undefined;
    if (patches === undefined || !this.#append(row, patches)) return this.#writeState(row, text);
    this.#large.add(row.key);
    return true;
  }

  #row(write: ScopeWrite, now: number): RowWrite {
    const { version, expectedVersion } = write;
    const rule = { tombstoneMs: this.#tombstoneMs, now };
    return {
      key: toAsciiKey(write.key),
      version,
      expectedVersion,
      expires: expiryOf(write, now) ?? null,
      forgets: (isDelete) => forgetAt(write, isDelete, rule) ?? null,
      now,
    };
  }

  #writeState(row: RowWrite, text: string | undefined): boolean {
    if (row.expectedVersion === 0) {
      if (!this.#insert(row, text)) return false;
    } else {
      if (text !== undefined && !isLarge(text) && this.#update(row, text)) return true;
      if (!this.#replace(row, text)) return false;
      this.#statements.dropPatches.run(row.key);
      this.#statements.dropBase.run(row.key);
      if (text === undefined) this.#history.drop(row.key);
    }
    if (!isLarge(text)) return true;
    this.#large.add(row.key);
    const { key, version } = row;
    const sum = logSum({ key, version, since: 0, text });
    this.#statements.addBase.run(version, sum, text, key);
    return true;
  }

  /** Removes everything stored under an encoded key; returns whether there was something. */
  remove(key: string): boolean {
    this.#statements.dropPatches.run(key);
    this.#statements.dropBase.run(key);
    this.#history.drop(key);
    this.#large.delete(key);
    return changed(this.#statements.erase.run(key));
  }

  #isExpected(row: RowWrite): boolean {
    const found = this.#statements.head.get(row.key);
    if (typeof found !== "object" || found === null) return row.expectedVersion === 0;
    return "version" in found && found.version === row.expectedVersion;
  }

  #insert(row: RowWrite, text: string | undefined): boolean {
    return changed(this.#statements.insert.run(...shapeValues(row, text), row.key));
  }

  #update(row: RowWrite, text: string): boolean {
    return changed(this.#statements.update.run(...inlineValues(row, text)));
  }

  #replace(row: RowWrite, text: string | undefined): boolean {
    const { key, expectedVersion } = row;
    return changed(this.#statements.replace.run(...shapeValues(row, text), key, expectedVersion));
  }

  #append(row: RowWrite, patches: readonly Patch[]): boolean {
    const { key, version, expectedVersion, expires, now } = row;
    const text = toJsonText(patches);
    const size = text.length;
    const sum = recordSum({ key, version, form: FORM.apart, expires, state: null });
    const where = [key, expectedVersion, size, LOG_COUNT_MAX, now];
    const { append, addPatch } = this.#statements;
    const values = [version, expires, row.forgets(false), sum, size];
    if (!changed(append.run(...values, ...where))) return false;
    const since = expectedVersion;
    addPatch.run(version, since, logSum({ key, version, since, text }), text, key);
    return true;
  }
}

function changed(outcome: { readonly changes: number | bigint }): boolean {
  return Number(outcome.changes) > 0;
}

function isFound(row: unknown): boolean {
  return row !== undefined && row !== null;
}

/** The parameters of `update`: a small state. */
function inlineValues(row: RowWrite, state: string): SqliteValue[] {
  const { key, version, expires, expectedVersion } = row;
  const sum = recordSum({ key, version, form: FORM.inline, expires, state });
  return [version, expires, row.forgets(false), sum, state, key, expectedVersion];
}

/** The first parameters of `insert` and `replace`: any state or none. */
function shapeValues(row: RowWrite, text: string | undefined): SqliteValue[] {
  const { key, version, expires } = row;
  let form: number = FORM.inline;
  if (text === undefined) form = FORM.dead;
  else if (isLarge(text)) form = FORM.apart;
  const state = form === FORM.inline ? (text ?? null) : null;
  const baseSize = form === FORM.apart ? (text?.length ?? 0) : 0;
  const sum = recordSum({ key, version, form, expires, state });
  return [version, form, expires, row.forgets(text === undefined), sum, state, baseSize];
}
