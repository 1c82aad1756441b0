/** The format of a record's file: a checksum, a line end, and one JSON document. */
import { createHash } from "node:crypto";
import { StoreUnavailableError } from "../../../actors/errors.ts";
import type { HistoryLog } from "./histories.ts";
import type { Json } from "../../../actors/protocol.ts";

/** The content of a record's file. */
export interface FileDocument {
  readonly key: string;
  readonly version: number;
  readonly expires: number | undefined;
  /** When it can be removed, in milliseconds since the epoch; `undefined`: it stays. */
  readonly forgets: number | undefined;
  readonly state: Json | undefined;
  /** The history of the record, when it has one. */
  readonly history?: HistoryLog | undefined;
}

const FORMAT = 1;
const SUM_CHARS = 64;
const LINE_END = 0x0a;

function sumOf(body: Uint8Array): string {
  return createHash("sha256").update(body).digest("hex");
}

/** The bytes of a document. `stateText` is the state's JSON, `undefined` for a tombstone. */
export function encodeDocument(
  { key, version, expires, forgets, history }: Omit<FileDocument, "state">,
  stateText: string | undefined,
): Buffer {
  // JSON has no Infinity.
  const end = forgets === undefined ? undefined : Math.min(forgets, Number.MAX_VALUE);
  const head = JSON.stringify({ format: FORMAT, key, version, expires, history, forgets: end });
  // The state's text is inserted as it is: parsing it only to write it again doubles the cost.
  const text = stateText === undefined ? head : `${head.slice(0, -1)},"state":${stateText}}`;
  const body = Buffer.from(text);
  return Buffer.concat([Buffer.from(`${sumOf(body)}\n`), body]);
}

/**
 * When a file's record can be removed, from the first bytes of the file, unchecked: `undefined` for
 * a record that stays, `-Infinity` when the whole file is needed. The time precedes the state; a
 * file of an earlier release has none.
 */
export function forgetsIn(start: Buffer): number | undefined {
  const text = start.toString("latin1", SUM_CHARS + 1);
  // In a key a quotation mark follows a backslash.
  const end = text.indexOf(',"state":');
  const fields = end === -1 ? text : text.slice(0, end);
  const found = /,"forgets":([\d.e+]+)\}?$/.exec(fields)?.[1];
  if (found !== undefined) return Number(found);
  return end === -1 || fields.includes(',"expires":') ? -Infinity : undefined;
}

/** The document in `bytes`, or the reason why there is none; throws for a newer format. */
export function decodeDocument(bytes: Buffer): FileDocument | string {
  if (bytes.length <= SUM_CHARS || bytes[SUM_CHARS] !== LINE_END) return "cut short";
  const body = bytes.subarray(SUM_CHARS + 1);
  if (bytes.toString("latin1", 0, SUM_CHARS) !== sumOf(body)) return "checksum does not match";
  return parseBody(body.toString());
}

function parseBody(text: string): FileDocument | string {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return "not JSON";
  }
  if (typeof parsed !== "object" || parsed === null) return "not a document";
  // An object from JSON.parse; each field is checked before it is used.
  const { format, key, version, expires, forgets, state, history } = parsed as Record<
    string,
    unknown
  >;
  if (format !== FORMAT)
    throw new StoreUnavailableError(
      `a document has format ${String(format)}, this library knows ${FORMAT}; ` +
        "use the version of the library that wrote it",
    );
  if (typeof key !== "string" || typeof version !== "number") return "not a document";
  if (expires !== undefined && typeof expires !== "number") return "not a document";
  if (forgets !== undefined && typeof forgets !== "number") return "not a document";
  // The checksum matches: it is as it was written. JSON.parse gives exactly the values of Json.
  const fields = { state: state as Json | undefined, history: history as HistoryLog | undefined };
  return { key, version, expires, forgets, ...fields };
}
