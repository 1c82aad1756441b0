/**
 * One write of one record. Each method answers whether the write took effect.
 *
 * A small record is one row and one UPDATE. A large one keeps its last whole state in a row apart and
 * a log of patches, so that a small change costs the same whatever the size of the state.
 */
import type { Patch } from "../../actors/protocol.ts";
import { toAsciiKey } from "./ascii-key.ts";
import { type LargeKeys, logSum, recordSum } from "./sqlite-record.ts";
import { FORM, type Statements } from "./sqlite-schema.ts";
import type { ScopeWrite } from "./store.ts";
import { expiryOf, patchesOf, stateText, toJsonText } from "./write-check.ts";

/** From this many characters of JSON on, a state is kept apart and changed by patches. */
export const APART_FROM_CHARS = 8192;
/** A log of this many patches is folded into a new base, so that a load stays bounded. */
export const LOG_COUNT_MAX = 1000;

/** A write with its key encoded and its times settled. */
interface RowWrite {
  readonly key: string;
  readonly version: number;
  readonly expectedVersion: number;
  readonly expires: number | null;
  readonly now: number;
}

function toRowWrite(write: ScopeWrite, now: number): RowWrite {
  const { version, expectedVersion } = write;
  const expires = expiryOf(write, now) ?? null;
  return { key: toAsciiKey(write.key), version, expectedVersion, expires, now };
}

/** Writes records with the statements of one connection. */
export class RecordWriter {
  readonly #statements: Statements;
  readonly #owner: string;
  readonly #large: LargeKeys;

  /** `owner` names this store object in leases: those of others turn a write into a conflict. */
  constructor(fields: { statements: Statements; owner: string; large: LargeKeys }) {
    this.#statements = fields.statements;
    this.#owner = fields.owner;
    this.#large = fields.large;
  }

  /**
   * Updates a small record with a single statement, which needs no transaction around it. False when
   * that does not apply; nothing was written then, and `write` finds out why.
   */
  updateAlone(write: ScopeWrite, now: number): boolean {
    const row = toRowWrite(write, now);
    if (row.expectedVersion === 0 || this.#large.has(row.key)) return false;
    const text = stateText(write);
    return !isLarge(text) && this.#updateSmall(row, text);
  }

  /** Writes any record; needs a transaction around it, for it can take several statements. */
  write(write: ScopeWrite, now: number): boolean {
    const row = toRowWrite(write, now);
    const patches = patchesOf(write);
    if (patches !== undefined && this.#large.has(row.key)) {
      if (this.#append(row, patches)) return true;
      // A conflict must not cost the text of a large state.
      if (!this.#isExpected(row)) return false;
      return this.#writeState(row, stateText(write));
    }
    const text = stateText(write);
    if (patches !== undefined && isLarge(text) && this.#append(row, patches)) {
      this.#large.add(row.key);
      return true;
    }
    return this.#writeState(row, text);
  }

  #writeState(row: RowWrite, text: string | undefined): boolean {
    if (row.expectedVersion === 0) {
      if (!this.#insert(row, text)) return false;
    } else {
      if (!isLarge(text) && this.#updateSmall(row, text)) return true;
      if (!this.#replace(row, text)) return false;
      this.#statements.dropPatches.run(row.key);
      this.#statements.dropBase.run(row.key);
    }
    if (!isLarge(text)) return true;
    this.#large.add(row.key);
    const { key, version } = row;
    const sum = logSum({ key, version, since: 0, text });
    this.#statements.addBase.run(version, sum, text, key);
    return true;
  }

  #isExpected(row: RowWrite): boolean {
    const { head, blocked } = this.#statements;
    const found = head.get(row.key);
    if (typeof found !== "object" || found === null || !("version" in found)) return false;
    if (found.version !== row.expectedVersion) return false;
    return (blocked.get(row.key, this.#owner, row.now) ?? undefined) === undefined;
  }

  #insert(row: RowWrite, text: string | undefined): boolean {
    const { key, version, expires, now } = row;
    const { blocked, insert } = this.#statements;
    if ((blocked.get(key, this.#owner, now) ?? undefined) !== undefined) return false;
    const { form, state, baseSize } = shapeOf(text);
    const sum = recordSum({ key, version, form, expires, state });
    return changed(insert.run(version, form, expires, sum, state, baseSize, key));
  }

  #updateSmall(row: RowWrite, text: string | undefined): boolean {
    const { key, version, expectedVersion, expires, now } = row;
    const { form, state } = shapeOf(text);
    const sum = recordSum({ key, version, form, expires, state });
    const { updateSmall } = this.#statements;
    return changed(
      updateSmall.run(version, form, expires, sum, state, key, expectedVersion, this.#owner, now),
    );
  }

  #replace(row: RowWrite, text: string | undefined): boolean {
    const { key, version, expectedVersion, expires, now } = row;
    const { form, state, baseSize } = shapeOf(text);
    const sum = recordSum({ key, version, form, expires, state });
    const set = [version, form, expires, sum, state, baseSize];
    return changed(
      this.#statements.replace.run(...set, key, expectedVersion, this.#owner, now),
    );
  }

  #append(row: RowWrite, patches: readonly Patch[]): boolean {
    const { key, version, expectedVersion, expires, now } = row;
    const text = toJsonText(patches);
    const sum = recordSum({ key, version, form: FORM.apart, expires, state: null });
    const size = text.length;
    const set = [version, expires, sum, size];
    const where = [key, expectedVersion, size, LOG_COUNT_MAX, now, this.#owner, now];
    const { append, addPatch } = this.#statements;
    if (!changed(append.run(...set, ...where))) return false;
    const since = expectedVersion;
    addPatch.run(version, since, logSum({ key, version, since, text }), text, key);
    return true;
  }
}

function changed(outcome: { readonly changes: number | bigint }): boolean {
  return Number(outcome.changes) > 0;
}

function isLarge(text: string | undefined): text is string {
  return text !== undefined && text.length >= APART_FROM_CHARS;
}

function shapeOf(text: string | undefined): {
  form: number;
  state: string | null;
  baseSize: number;
} {
  if (text === undefined) return { form: FORM.dead, state: null, baseSize: 0 };
  if (isLarge(text)) return { form: FORM.apart, state: null, baseSize: text.length };
  return { form: FORM.inline, state: text, baseSize: 0 };
}
