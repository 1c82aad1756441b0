/** Converts rows to records: checks checksums, replays patch logs, and reports damage. */
import { crc32 } from "node:zlib";
import { CorruptStateError } from "../../../actors/errors.ts";
import type { Json } from "../../../actors/protocol.ts";
import { fromAsciiKey } from "../shared/ascii-key.ts";
import type { LargeKeys } from "../shared/large-records.ts";
import { type Damaged, type LogStep, parseJson, replay } from "../shared/patch-log.ts";
import { bytesToText } from "./driver.ts";
import { FORM, type Statements } from "./schema.ts";
import type { StoredRecord } from "../contract.ts";
import { isExpired, leftMs } from "../shared/writes.ts";

/** The fields that the checksum of a record row covers. */
export interface RowMeaning {
  readonly key: string;
  readonly version: number;
  readonly form: number;
  readonly expires: number | null;
  readonly state: string | null;
}

/** Checksum of a record row. */
export function recordSum(row: RowMeaning): number {
  const head = crc32(`${row.version} ${row.form} ${row.expires} ${row.key}`);
  return row.state === null ? head : crc32(row.state, head);
}

/** Checksum of a base or patch row; `since` is the version before it, 0 for a base. */
export function logSum(row: { key: string; version: number; since: number; text: string }): number {
  return crc32(row.text, crc32(`${row.since} ${row.version} ${row.key}`));
}

/** Reads and checks records; the path is for messages. */
export class RecordReader {
  readonly #statements: Statements;
  readonly #path: string;
  readonly #large: LargeKeys;

  constructor(fields: { statements: Statements; path: string; large: LargeKeys }) {
    this.#statements = fields.statements;
    this.#path = fields.path;
    this.#large = fields.large;
  }

  /** Reads one record. A large one takes several rows: call it inside a transaction. */
  read(key: string, now: number): StoredRecord | undefined {
    const row = this.#statements.head.get(key);
    if (row === undefined || row === null) return undefined;
    const head = this.#checkHead(key, row);
    if (head.form === FORM.dead || isExpired(head.expires, now))
      return { version: head.version, state: undefined };
    const { version } = head;
    const left = { leftMs: leftMs(head.expires, now) };
    if (head.state !== null) {
      const damaged: Damaged = (reason) => this.#damaged(key, reason);
      return { version, state: parseJson(head.state, damaged), ...left };
    }
    this.#large.add(key);
    return { version, state: this.#replay(key, head.id, version), ...left };
  }

  #damaged(key: string, reason: string, cause?: unknown): CorruptStateError {
    const location = `${this.#path}, key ${JSON.stringify(fromAsciiKey(key))}`;
    return new CorruptStateError({ location, reason }, { cause });
  }

  #checkHead(key: string, row: unknown): RowMeaning & { id: number } {
    // Columns are read as unknown and each is checked before it is used.
    const { id, version, form, expires, sum, state: bytes } = row as Record<string, unknown>;
    if (typeof id !== "number" || typeof version !== "number" || typeof form !== "number")
      throw this.#damaged(key, "unreadable row");
    if (expires !== null && typeof expires !== "number")
      throw this.#damaged(key, "unreadable expiry");
    const state = bytes === null ? null : bytesToText(bytes);
    if (state === undefined) throw this.#damaged(key, "unreadable state");
    const head = { key, id, version, form, expires, state };
    if (recordSum(head) !== sum || (form === FORM.inline) !== (state !== null))
      throw this.#damaged(key, "checksum does not match");
    return head;
  }

  #replay(key: string, id: number, version: number): Json {
    const damaged: Damaged = (reason, cause) => this.#damaged(key, reason, cause);
    const base = this.#checkLog(key, this.#statements.base.get(id), "state");
    const from = { state: parseJson(base.text, damaged), version: base.version };
    return replay(from, this.#stepsOf(key, id, damaged), version, damaged);
  }

  *#stepsOf(key: string, id: number, damaged: Damaged): Generator<LogStep> {
    for (const row of this.#statements.patches.all(id)) {
      const { since, version, text } = this.#checkLog(key, row, "patches");
      yield { since, version, patches: parseJson(text, damaged) };
    }
  }

  #checkLog(
    key: string,
    row: unknown,
    column: "state" | "patches",
  ): { version: number; since: number; text: string } {
    if (row === undefined || row === null) throw this.#damaged(key, "no base state");
    // Columns are read as unknown and each is checked before it is used.
    const fields = row as Record<string, unknown>;
    const { version, since = 0, sum } = fields;
    const text = bytesToText(fields[column]);
    if (typeof version !== "number" || typeof since !== "number" || text === undefined)
      throw this.#damaged(key, "unreadable log row");
    const step = { version, since, text };
    if (logSum({ key, ...step }) !== sum) throw this.#damaged(key, "checksum does not match");
    return step;
  }
}
