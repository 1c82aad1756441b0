/**
 * The two functions of `node:crypto` that a runtime uses. They load it with their first call: with
 * the streams that it brings it would be a tenth of `import "holdfast"`, and a runtime in memory
 * may never call them.
 */
import type { Hash } from "node:crypto";

/** A random UUID of version 4. */
export function randomUUID(): string {
  return process.getBuiltinModule("node:crypto").randomUUID();
}

/** A hash, as `createHash` of `node:crypto`. */
export function createHash(algorithm: string): Hash {
  return process.getBuiltinModule("node:crypto").createHash(algorithm);
}
