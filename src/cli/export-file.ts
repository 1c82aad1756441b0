/**
 * Records as lines of JSON.
 *
 *   {"holdfast":1}                                              the first line
 *   {"key":"…","version":3,"state":{…},"leftMs":5000}           a record; `leftMs` if it expires,
 *                                                               `history` if it has one
 *   {"records":2,"crc32":123456}                                the last line
 *
 * The last line counts the records and has a checksum of all bytes before it, so that a truncated
 * or changed file is detected. A file that is edited on purpose must omit `crc32`.
 */
import { createReadStream } from "node:fs";
import { crc32 } from "node:zlib";
import type { Json } from "../../actors/protocol.ts";
import { isPlainObject } from "../../actors/state/copy.ts";
import type { HistoryRow } from "../stores/contract.ts";
import type { KeyedRecord, RecordGroups } from "./transfer.ts";

/** A file that is not a whole export; `message` names the file, the line and the reason. */
export class DamagedFileError extends Error {
  override readonly name = "DamagedFileError";
}

const FORMAT = 1;
/** The longest line that is read; bytes. */
const LINE_BYTES_MAX = 256 * 1024 * 1024;
const NEWLINE = 10;

/** The lines of an export. The first comes with the second, so an early failure writes none. */
export async function* toLines(groups: RecordGroups): AsyncGenerator<string> {
  let start = `${JSON.stringify({ holdfast: FORMAT })}\n`;
  let sum = crc32(start);
  let count = 0;
  for await (const group of groups) {
    for (const { key, version, state, leftMs, history } of group) {
      const line = `${JSON.stringify({ key, version, state, leftMs, history })}\n`;
      count += 1;
      sum = crc32(line, sum);
      yield start + line;
      start = "";
    }
  }
  yield `${start}${JSON.stringify({ records: count, crc32: sum })}\n`;
}

/**
 * The records of an export, `batch` at a time. Throws `DamagedFileError` that names the line at
 * the first damaged one; no record follows.
 */
export async function* readExport(
  path: string,
  batch: number,
): AsyncGenerator<readonly KeyedRecord[]> {
  const reader = new LineReader(path);
  let group: KeyedRecord[] = [];
  for await (const line of linesOf(path)) {
    const record = reader.read(line);
    if (record !== undefined) group.push(record);
    if (group.length < batch) continue;
    yield group;
    group = [];
  }
  reader.end();
  if (group.length > 0) yield group;
}

/** Checks the lines in order, and computes what the last one must contain. */
class LineReader {
  readonly #path: string;
  readonly #decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  #line = 0;
  #count = 0;
  #sum = 0;
  #isEnded = false;

  constructor(path: string) {
    this.#path = path;
  }

  /** The record on a line; `undefined` for the first and the last. */
  read(bytes: Buffer): KeyedRecord | undefined {
    this.#line += 1;
    if (this.#isEnded) throw this.#damage("it follows the last line");
    const fields = this.#parse(bytes);
    if (this.#line === 1) this.#checkFirst(fields);
    else if (Object.hasOwn(fields, "records")) this.#checkLast(fields);
    const isRecord = this.#line > 1 && !this.#isEnded;
    this.#sum = crc32("\n", crc32(bytes, this.#sum));
    if (!isRecord) return undefined;
    this.#count += 1;
    return this.#toRecord(fields);
  }

  /** Call it when there are no more lines. */
  end(): void {
    if (this.#isEnded) return;
    this.#line += 1;
    throw this.#damage("the file ends before its last line");
  }

  #damage(reason: string, cause?: unknown): DamagedFileError {
    const where = `${this.#path}, line ${this.#line}`;
    return new DamagedFileError(`${where} is damaged: ${reason}`, { cause });
  }

  #parse(bytes: Buffer): Readonly<Record<string, unknown>> {
    let value: unknown;
    try {
      value = JSON.parse(this.#decoder.decode(bytes));
    } catch (cause) {
      throw this.#damage("not JSON", cause);
    }
    if (isPlainObject(value)) return value;
    throw this.#damage("not an object");
  }

  #checkFirst({ holdfast }: Readonly<Record<string, unknown>>): void {
    if (holdfast === FORMAT) return;
    if (typeof holdfast !== "number") throw this.#damage("not the first line of an export");
    throw this.#damage(`format ${holdfast}, this library reads ${FORMAT}`);
  }

  #checkLast({ records, crc32: sum }: Readonly<Record<string, unknown>>): void {
    if (records !== this.#count)
      throw this.#damage(`it should count ${this.#count} records and counts ${String(records)}`);
    if (sum !== undefined && sum !== this.#sum) throw this.#damage("the checksum does not match");
    this.#isEnded = true;
  }

  #toRecord(fields: Readonly<Record<string, unknown>>): KeyedRecord {
    const { key, version, state, leftMs, history } = fields;
    if (typeof key !== "string") throw this.#damage("no key");
    if (typeof version !== "number" || !Number.isSafeInteger(version) || version < 1)
      throw this.#damage("no version");
    if (state === undefined) throw this.#damage("no state");
    // JSON.parse gives exactly the values of Json.
    const record = { key, version, state: state as Json, ...this.#toHistory(history, version) };
    if (leftMs === undefined) return record;
    if (typeof leftMs !== "number" || !(leftMs > 0)) throw this.#damage("leftMs is not over 0");
    return { ...record, leftMs };
  }

  #toHistory(rows: unknown, version: number): Pick<KeyedRecord, "history"> {
    if (rows === undefined) return {};
    const isWhole = Array.isArray(rows) && rows.every(isRow) && isAscending(rows, version);
    if (!isWhole) throw this.#damage("history is no list of changes that ends at the version");
    return { history: rows };
  }
}

/** True for versions in ascending order that end at `last`. */
function isAscending(rows: readonly HistoryRow[], last: number): boolean {
  return (
    rows.every(({ version }, at) => version < (rows[at + 1]?.version ?? last + 1)) &&
    rows.at(-1)?.version === last
  );
}

/** True for a row as a store returned it; its entry is opaque. */
function isRow(row: unknown): row is HistoryRow {
  if (!isPlainObject(row)) return false;
  const { version, at, entry } = row;
  return typeof version === "number" && typeof at === "number" && entry !== undefined;
}

/**
 * Lines as bytes, without their end. `node:readline` would also end a line at U+2028, which JSON
 * does not escape.
 */
async function* linesOf(path: string): AsyncGenerator<Buffer> {
  let parts: Buffer[] = [];
  let size = 0;
  // Without an encoding a file is read as Buffers.
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    let from = 0;
    for (let to = chunk.indexOf(NEWLINE); to >= 0; to = chunk.indexOf(NEWLINE, from)) {
      yield Buffer.concat([...parts, chunk.subarray(from, to)]);
      [parts, size, from] = [[], 0, to + 1];
    }
    if (from < chunk.length) parts.push(chunk.subarray(from));
    size += chunk.length - from;
    if (size > LINE_BYTES_MAX) {
      const reason = `a line is longer than ${LINE_BYTES_MAX} bytes`;
      throw new DamagedFileError(`${path} is damaged: ${reason}`);
    }
  }
  if (parts.length > 0) yield Buffer.concat(parts);
}
