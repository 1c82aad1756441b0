/**
 * The lines of a segment, a file with rows of one history:
 *
 *     <checksum> <version> <at> <seq> <start> <size> <entry>
 *     <checksum> <version> <at> <seq> <start> <size> +[<entry>,<state>]
 *
 *  L1  The checksum, 8 hex digits, covers the key and the rest of the line: a torn or changed line,
 *      and one of another key, is not read as a row.
 */
import { crc32 } from "node:zlib";
import type { PlacedRow, RowPlace } from "../shared/history-rows.ts";
import type { Json } from "../../../actors/protocol.ts";
import type { HistoryRow } from "../contract.ts";

/** A row with the place of its line. */
export interface FileRow extends RowPlace {
  readonly segment: string;
  readonly offset: number;
  /** Bytes of the line, its end included. */
  readonly length: number;
}

const SUM_CHARS = 8;
const NUMBERS = 5;
/** The last byte of each line. */
export const LINE_END = 0x0a;
const SPACE = 0x20;
/** Marks the entry of a row that also has a state; JSON does not begin with it. */
const WHOLE = "+";

function sumOf(key: string, rest: Uint8Array): string {
  return crc32(rest, crc32(key)).toString(16).padStart(SUM_CHARS, "0");
}

/** The line of a row. */
export function encodeLine(key: string, row: PlacedRow): Buffer {
  const { version, at, seq, start, size, entry, state } = row;
  const value = state === null ? entry : `${WHOLE}[${entry},${state}]`;
  const rest = Buffer.from(`${version} ${at} ${seq} ${start} ${size} ${value}\n`);
  return Buffer.concat([Buffer.from(`${sumOf(key, rest)} `), rest]);
}

/** The rows of a segment; `undefined` when a line was not made by `encodeLine` for this key. */
export function scanLines(key: string, segment: string, bytes: Buffer): FileRow[] | undefined {
  const rows: FileRow[] = [];
  for (let offset = 0; offset < bytes.length;) {
    const end = bytes.indexOf(LINE_END, offset) + 1;
    const place = end === 0 ? undefined : placeOf(key, bytes.subarray(offset, end));
    if (place === undefined) return undefined;
    const { version, at, seq, start, size } = place;
    rows.push({ version, at, seq, start, size, segment, offset, length: end - offset });
    offset = end;
  }
  return rows;
}

/** The row of a line; `undefined` for a damaged one. */
export function decodeLine(key: string, line: Buffer): HistoryRow | undefined {
  const place = placeOf(key, line);
  if (place === undefined) return undefined;
  const { version, at, value } = place;
  // The line has its checksum, so it is as `encodeLine` made it.
  if (value[0] !== WHOLE.charCodeAt(0))
    return { version, at, entry: JSON.parse(value.toString()) as Json };
  const [entry, state] = JSON.parse(value.toString("utf8", 1)) as [Json, Json];
  return { version, at, entry, state };
}

function placeOf(key: string, line: Buffer): (RowPlace & { readonly value: Buffer }) | undefined {
  const rest = line.subarray(SUM_CHARS + 1);
  if (line.toString("latin1", 0, SUM_CHARS) !== sumOf(key, rest)) return undefined;
  let from = 0;
  const numbers: number[] = [];
  while (numbers.length < NUMBERS) {
    const to = rest.indexOf(SPACE, from);
    numbers.push(Number(rest.toString("latin1", from, to)));
    from = to + 1;
  }
  const [version = 0, at = 0, seq = 0, start = 0, size = 0] = numbers;
  return { version, at, seq, start, size, value: rest.subarray(from) };
}
