/** Names of the files documents are kept in. */
import { createHash } from "node:crypto";

/** Most bytes of a file name on the systems we know. */
const NAME_BYTES_MAX = 255;
/** So much of a long key stays readable in its name. */
const READABLE = 180;
const SUFFIX = ".json";

/**
 * The name of a document's file: its key percent-encoded after RFC 3986, or, when that is too
 * long or impossible, a part of it with a hash. `=` is never left by the encoding, so no two keys
 * meet.
 */
export function fileNameOf(key: string): string {
  const encoded = encode(key);
  if (encoded !== undefined && encoded.length + SUFFIX.length <= NAME_BYTES_MAX)
    return encoded + SUFFIX;
  // UTF-16, because UTF-8 would make all lone surrogates one.
  const hash = createHash("sha256").update(Buffer.from(key, "utf16le")).digest("hex");
  return `${encoded?.slice(0, READABLE) ?? ""}=${hash}${SUFFIX}`;
}

/** The name the original's Node port gives, when it is another one that can exist. */
export function nodeFileNameOf(key: string): string | undefined {
  if (!/[!'()*]/.test(key) || encode(key) === undefined) return undefined;
  const name = encodeURIComponent(key) + SUFFIX;
  return name.length <= NAME_BYTES_MAX ? name : undefined;
}

function encode(key: string): string | undefined {
  try {
    return encodeURIComponent(key).replaceAll(/[!'()*]/g, hexOf);
  } catch {
    return undefined; // A lone surrogate has no UTF-8.
  }
}

function hexOf(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
}
