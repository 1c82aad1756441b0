/** File names of documents. */
import { createHash } from "node:crypto";

/** The maximum length of a file name, in bytes, on the supported systems. */
const NAME_BYTES_MAX = 255;
/** The number of characters of a long key that stay readable in its file name. */
const READABLE = 180;
const SUFFIX = ".json";

/**
 * The name of a document's file: the key percent-encoded after RFC 3986. When that is too long or
 * impossible, the name is a part of the key and a hash. The encoding never produces `=`, so no two
 * keys share a name.
 */
export function fileNameOf(key: string): string {
  const encoded = encode(key);
  if (encoded !== undefined && encoded.length + SUFFIX.length <= NAME_BYTES_MAX)
    return encoded + SUFFIX;
  // In UTF-16: UTF-8 would encode all lone surrogates alike.
  const hash = createHash("sha256").update(Buffer.from(key, "utf16le")).digest("hex");
  return `${encoded?.slice(0, READABLE) ?? ""}=${hash}${SUFFIX}`;
}

/**
 * The name that the original's Node port gives; `undefined` when it is the same or cannot exist.
 */
export function nodeFileNameOf(key: string): string | undefined {
  if (!/[!'()*]/.test(key) || encode(key) === undefined) return undefined;
  const name = encodeURIComponent(key) + SUFFIX;
  return name.length <= NAME_BYTES_MAX ? name : undefined;
}

function encode(key: string): string | undefined {
  try {
    return encodeURIComponent(key).replaceAll(/[!'()*]/g, hexOf);
  } catch {
    return undefined; // A lone surrogate has no UTF-8 form.
  }
}

function hexOf(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
}
