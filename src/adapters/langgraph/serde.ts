/**
 * Values in the form in which a checkpoint record keeps them: as the serializer of the framework
 * writes them, as text where that is text.
 *
 *  D1  A value is serialized before the call that passes it returns, once the peer is loaded: the
 *      graph may change it afterwards.
 *  D2  What cannot be serialized is refused by its path, and what cannot be read is a damaged
 *      record.
 */
import type { SerializerProtocol } from "@langchain/langgraph-checkpoint";
import {
  CorruptStateError,
  isHoldfastError,
  StateSerializationError,
} from "../../../actors/errors.ts";
import type { ScopeIdentity } from "../../../actors/protocol.ts";
import { isError } from "../../../actors/realm.ts";
import type { Peer } from "./peer.ts";

/** The type that the serializer names, and its bytes: as text, or in base64 if they are not. */
export type Dumped = readonly [type: string, data: string, encoding?: "base64"];

/** Text whose bytes are exactly these; anything else is no text. */
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** What the default serializer writes where `JSON.stringify` throws. */
const UNABLE = '"[unable to serialize, circular reference is too complex to analyze]"';

/** The default serializer of the framework, usable before the peer is loaded. */
export function lateSerializer(peer: Promise<Peer>): SerializerProtocol {
  let loaded: SerializerProtocol | undefined;
  const loading = peer.then(({ JsonPlusSerializer }) => (loaded = new JsonPlusSerializer()));
  loading.catch(() => undefined); // The calls reject.
  return {
    dumpsTyped: async (value) => (loaded ?? (await loading)).dumpsTyped(value),
    async loadsTyped(type, data) {
      // It revives only records that have this field, by a promise for each value of a text.
      const isPlain = type === "json" && typeof data === "string" && !data.includes('"lc"');
      return isPlain ? JSON.parse(data) : (loaded ?? (await loading)).loadsTyped(type, data);
    },
  };
}

/** Serializes a value; rejects with `StateSerializationError` that names `path`. */
export async function dump(
  serde: SerializerProtocol,
  value: unknown,
  path: string,
  scope: ScopeIdentity,
): Promise<Dumped> {
  let dumped: readonly [string, Uint8Array];
  try {
    dumped = await serde.dumpsTyped(value);
  } catch (cause) {
    if (isHoldfastError(cause)) throw cause; // The peer is missing.
    const reason = isError(cause) ? `a value (${cause.message})` : "a value";
    throw new StateSerializationError({ path, reason }, { scope, cause });
  }
  const [type, bytes] = dumped;
  if (type !== "json") return inBase64(type, bytes);
  const stored = asText(bytes);
  // What JSON has no form for comes out empty, or as this text: its value would be lost.
  const isLost = stored[1] === "" || (stored[1] === UNABLE && typeof value !== "string");
  if (!isLost) return stored;
  const reason = `a value that JSON has no form for (${typeof value})`;
  throw new StateSerializationError({ path, reason }, { scope });
}

function asText(bytes: Uint8Array): Dumped {
  try {
    return ["json", decoder.decode(bytes)];
  } catch {
    return inBase64("json", bytes); // A serializer of the caller's, which encrypts.
  }
}

function inBase64(type: string, bytes: Uint8Array): Dumped {
  const { buffer, byteOffset, byteLength } = bytes;
  return [type, Buffer.from(buffer, byteOffset, byteLength).toString("base64"), "base64"];
}

/** A new value from its stored form; rejects with `CorruptStateError` that names `location`. */
export async function load(
  serde: SerializerProtocol,
  [type, data, encoding]: Dumped,
  location: string,
  scope: ScopeIdentity,
): Promise<unknown> {
  try {
    const bytes = encoding === undefined ? data : new Uint8Array(Buffer.from(data, "base64"));
    return await serde.loadsTyped(type, bytes);
  } catch (cause) {
    if (isHoldfastError(cause)) throw cause;
    const reason = isError(cause) ? cause.message : "the serializer failed";
    throw new CorruptStateError({ location, reason }, { scope, cause });
  }
}

/** True for a value in its stored form. */
export function isDumped(value: unknown): value is Dumped {
  return (
    Array.isArray(value) && value.length > 1 && value.every((each) => typeof each === "string")
  );
}
