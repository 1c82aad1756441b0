/**
 * Optional peers: packages that are loaded only when used.
 *
 * A package that fails to load is not always missing. It can be too new for this Node, lack a
 * package of its own, or be bundled in a way in which it cannot run. The error states which.
 *
 * The caller imports by a literal name inside `try`: bundlers find the package by the name, and
 * treat it as optional because of the `try`.
 */
import { StoreUnavailableError } from "../../../actors/errors.ts";
import { isError } from "../../../actors/realm.ts";

/** Error codes of a missing module, from `import` and from `require`. */
const MISSING_CODES: ReadonlySet<unknown> = new Set(["ERR_MODULE_NOT_FOUND", "MODULE_NOT_FOUND"]);
/** The messages of Node, Bun and Deno. */
const MISSING_TEXT = /^(?:Cannot|Could not) find (?:package|module) '([^']+)'/;

/** True when `name` itself is not installed, false when it lacks something. */
function isMissing(name: string, error: unknown): boolean {
  if (!isError(error) || !("code" in error) || !MISSING_CODES.has(error.code)) return false;
  return MISSING_TEXT.exec(error.message)?.[1] === name;
}

/** The package as `require` beside this file gives it, never from a bundle. Throws its errors. */
export function requirePeer(name: string): unknown {
  // A bundle in CommonJS has no module url; it has the `require` of its own file.
  const url = import.meta.url as string | undefined;
  if (url === undefined) return require(name);
  // A bundler replaces `createRequire` where it is imported.
  return process.getBuiltinModule("node:module").createRequire(url)(name);
}

/**
 * The installed package, for one whose `import` failed with `cause`. A copy bundled as ES modules
 * may be unable to require Node's built-ins, while the installed package can.
 *
 * Throws `StoreUnavailableError` with that `cause` when no such package loads. Its message
 * suggests installing `name` only when `name` itself is missing.
 */
export function installedPeer(name: string, cause: unknown): unknown {
  if (!isMissing(name, cause)) {
    try {
      return requirePeer(name);
    } catch {
      // The first failure is the one the caller can correct.
    }
  }
  throw peerError(name, cause);
}

/** The error of a package that did not load because of `cause`; `range`: its tested versions. */
export function peerError(name: string, cause: unknown, range?: string): StoreUnavailableError {
  const reason = isError(cause) ? cause.message : "unknown failure";
  const wanted = range === undefined ? name : `${name}@${range}`;
  const text = isMissing(name, cause)
    ? `install the package ${name} (npm install ${wanted})`
    : `the package ${name} does not load: ${reason}`;
  return new StoreUnavailableError(text, { cause });
}
