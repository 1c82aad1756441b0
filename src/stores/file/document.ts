/** What a record looks like in its file: a checksum, a line end, and one JSON document. */
import { createHash } from "node:crypto";
import { StoreUnavailableError } from "../../../actors/errors.ts";
import type { Json } from "../../../actors/protocol.ts";

/** The content of a record's file. */
export interface FileDocument {
  readonly key: string;
  readonly version: number;
  readonly expires: number | undefined;
  readonly state: Json | undefined;
}

const FORMAT = 1;
const SUM_CHARS = 64;
const LINE_END = 0x0a;

function sumOf(body: Uint8Array): string {
  return createHash("sha256").update(body).digest("hex");
}

/** The bytes of a document. `stateText` is the state's JSON, `undefined` for a tombstone. */
export function encodeDocument(
  fields: { key: string; version: number; expires: number | undefined },
  stateText: string | undefined,
): Buffer {
  const head = JSON.stringify({ format: FORMAT, ...fields });
  // The state's text is put in as it is: parsing it just to write it again would double the cost.
  const text = stateText === undefined ? head : `${head.slice(0, -1)},"state":${stateText}}`;
  const body = Buffer.from(text);
  return Buffer.concat([Buffer.from(`${sumOf(body)}\n`), body]);
}

/** The document in `bytes`, or in words why there is none; throws for a format of the future. */
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
  const { format, key, version, expires, state } = parsed as Record<string, unknown>;
  if (format !== FORMAT)
    throw new StoreUnavailableError(
      `a document has format ${String(format)}, this library knows ${FORMAT}; ` +
        "use the version of the library that wrote it",
    );
  if (typeof key !== "string" || typeof version !== "number") return "not a document";
  if (expires !== undefined && typeof expires !== "number") return "not a document";
  // JSON.parse gives exactly the values of Json.
  return { key, version, expires, state: state as Json | undefined };
}
