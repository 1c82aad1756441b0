/**
 * Optional peers: packages that are loaded only by who uses them.
 *
 * A package that cannot be loaded is not always missing: it can be too new for this Node, lack a
 * package of its own, or have been put into a bundle in which it cannot run. The error says which.
 *
 * The caller imports by a literal name inside `try`: bundlers find the package by the name, and
 * take it for optional because of the `try`.
 */
import { StoreUnavailableError } from "../../../actors/errors.ts";
import { isError } from "../../../actors/realm.ts";

/** Codes of what is thrown for a module that is not there, by `import` and by `require`. */
const MISSING_CODES: ReadonlySet<unknown> = new Set(["ERR_MODULE_NOT_FOUND", "MODULE_NOT_FOUND"]);
/** As Node and Bun say it, and as Deno does. */
const MISSING_TEXT = /^(?:Cannot|Could not) find (?:package|module) '([^']+)'/;

/** True when `error` says that `name` itself is not installed, not that it lacks something. */
function isMissing(name: string, error: unknown): boolean {
  if (!isError(error) || !("code" in error) || !MISSING_CODES.has(error.code)) return false;
  return MISSING_TEXT.exec(error.message)?.[1] === name;
}

/** The package as `require` gives it from beside this file, never from a bundle. Throws as that. */
export function requirePeer(name: string): unknown {
  // A bundle in CommonJS has no url of a module; it has the `require` of its own file.
  const url = import.meta.url as string | undefined;
  if (url === undefined) return require(name);
  // A bundler replaces `createRequire` where it sees it imported.
  return process.getBuiltinModule("node:module").createRequire(url)(name);
}

/**
 * The installed package, for one whose `import` failed with `cause`. A copy in a bundle of ES
 * modules may be unable to require what Node brings, while the installed package can.
 *
 * Throws `StoreUnavailableError` with that `cause` when no such package loads. Its message asks to
 * install `name` only when `name` itself is missing.
 */
export function installedPeer(name: string, cause: unknown): unknown {
  if (!isMissing(name, cause)) {
    try {
      return requirePeer(name);
    } catch {
      // What failed first is what the caller can mend.
    }
  }
  throw peerError(name, cause);
}

/** The error of a package that did not load because of `cause`. */
export function peerError(name: string, cause: unknown): StoreUnavailableError {
  const reason = isError(cause) ? cause.message : "unknown failure";
  const text = isMissing(name, cause)
    ? `install the package ${name} (npm install ${name})`
    : `the package ${name} does not load: ${reason}`;
  return new StoreUnavailableError(text, { cause });
}
