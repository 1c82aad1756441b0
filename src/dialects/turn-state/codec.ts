/**
 * Codecs between a document and its storage: a value codec encodes the JSON text, a key codec the
 * key.
 */
import { createCipheriv, createDecipheriv, createHash, createHmac, randomBytes } from "node:crypto";
import { types } from "node:util";
import { refuseUnknown } from "../../../actors/scope/options.ts";
import { typeName } from "../../../actors/state/copy.ts";

/** Encodes the JSON text of a document for its storage, and decodes it. */
export interface ValueCodec {
  encode(text: string, key: string): string | Promise<string>;
  /** A throw means the stored text is damaged. */
  decode(stored: string, key: string): string | Promise<string>;
}

/** Turns a key into the name it is stored under; different keys must give different names. */
export type KeyCodec = (key: string) => string;

/** Options of `aes256GcmCodec`. */
export interface AesCodecOptions {
  /** Reads documents that were stored before they were encrypted; default false. */
  readonly acceptPlain?: boolean | undefined;
}

const ALGORITHM = "aes-256-gcm";
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const MARK = "holdfast-aes1";

/**
 * Encrypts documents with AES-256-GCM. A text is bound to its key: copied to another key, it cannot
 * be decrypted. Takes one secret of 32 bytes, or several for rotation: the first encrypts, all
 * decrypt. Throws `RangeError` for a secret of another length, `TypeError` for a value that is not
 * bytes and for an unknown option.
 */
export function aes256GcmCodec(
  secrets: Uint8Array | readonly [Uint8Array, ...Uint8Array[]],
  options: AesCodecOptions = {},
): ValueCodec {
  refuseUnknown("aes256GcmCodec", options, ["acceptPlain"]);
  const list: readonly Uint8Array[] = types.isUint8Array(secrets) ? [secrets] : secrets;
  if (!Array.isArray(list))
    throw new TypeError(
      `aes256GcmCodec takes a secret of ${KEY_BYTES} bytes, or a list of them, received ` +
        typeName(secrets),
    );
  const named = new Map(list.map((secret) => [secretName(secret), Uint8Array.from(secret)]));
  const [current] = named;
  if (current === undefined) throw new RangeError("aes256GcmCodec needs a secret");
  const [name, secret] = current;
  return {
    encode: (text, key) => `${MARK}:${name}:${encrypt(secret, text, key)}`,
    decode(stored, key) {
      const [mark, id = "", body = ""] = stored.split(":", 3);
      if (mark !== MARK) {
        if (options.acceptPlain === true) return stored;
        throw new Error("the document is not encrypted");
      }
      const known = named.get(id);
      if (known === undefined) throw new Error(`no secret named ${id} is known`);
      return decrypt(known, body, key);
    },
  };
}

/** Names documents by an HMAC-SHA256 of their keys, so that a stored name discloses nothing. */
export function hmacKeyCodec(secret: string | Uint8Array): KeyCodec {
  if (typeof secret !== "string" && !types.isUint8Array(secret))
    throw new TypeError(`hmacKeyCodec takes a text or bytes, received ${typeName(secret)}`);
  if (secret.length === 0) throw new RangeError("hmacKeyCodec needs a secret");
  return (key) => createHmac("sha256", secret).update(Buffer.from(key, "utf16le")).digest("hex");
}

/** Identifies a secret in stored texts without disclosing it. */
function secretName(secret: Uint8Array): string {
  if (!types.isUint8Array(secret))
    throw new TypeError(`a secret for AES-256 is bytes, received ${typeName(secret)}`);
  if (secret.length !== KEY_BYTES)
    throw new RangeError(`a secret for AES-256 has ${KEY_BYTES} bytes`);
  return createHash("sha256").update(MARK).update(secret).digest("hex").slice(0, 8);
}

function encrypt(secret: Uint8Array, text: string, key: string): string {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(ALGORITHM, secret, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(Buffer.from(key, "utf16le"));
  const sealed = [nonce, cipher.update(text, "utf8"), cipher.final()];
  return Buffer.concat([...sealed, cipher.getAuthTag()]).toString("base64");
}

function decrypt(secret: Uint8Array, body: string, key: string): string {
  const bytes = Buffer.from(body, "base64");
  if (bytes.length < NONCE_BYTES + TAG_BYTES) throw new Error("the document is cut off");
  const nonce = bytes.subarray(0, NONCE_BYTES);
  const decipher = createDecipheriv(ALGORITHM, secret, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.from(key, "utf16le"));
  decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
  const opened = decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES));
  return Buffer.concat([opened, decipher.final()]).toString("utf8");
}
