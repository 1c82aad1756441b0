/**
 * The two functions of `node:crypto` that a runtime uses. They load it with their first call: it
 * brings the streams, and a runtime in memory may never call them.
 */
import type * as Crypto from "node:crypto";

let loaded: typeof Crypto | null = null;

/** Kept: `getBuiltinModule` reads all exports of a module with each call. */
function crypto(): typeof Crypto {
  return (loaded ??= process.getBuiltinModule("node:crypto"));
}

/** A random UUID of version 4. */
export function randomUUID(): string {
  return crypto().randomUUID();
}

/** A hash, as `createHash` of `node:crypto`. */
export function createHash(algorithm: string): Crypto.Hash {
  return crypto().createHash(algorithm);
}
