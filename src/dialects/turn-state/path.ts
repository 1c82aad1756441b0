/** Paths: `key` is in the scope `temp`, `scope.key` in one of the three scopes. */

/** The three scopes of a turn. */
export type ScopeName = "conversation" | "user" | "temp";

/** The scope and the key of a path. */
export interface ScopePath {
  readonly scope: ScopeName;
  readonly key: string;
}

/**
 * Reads a path. Scope names ignore case, keys do not. Throws `TypeError` with the message `Invalid
 * path` or `Invalid scope`.
 */
export function parsePath(path: string): ScopePath {
  if (typeof path !== "string") throw new TypeError(`Invalid path: a ${typeof path} is no text`);
  const dot = path.indexOf(".");
  if (dot === -1) return { scope: "temp", key: path };
  const name = path.slice(0, dot);
  const key = path.slice(dot + 1);
  if (name === "" || key === "" || key.includes("."))
    throw new TypeError(`Invalid path: "${path}" is neither "key" nor "scope.key"`);
  return { scope: scopeName(name), key };
}

function scopeName(name: string): ScopeName {
  const lower = name.toLowerCase();
  if (lower === "conversation" || lower === "user" || lower === "temp") return lower;
  throw new TypeError(`Invalid scope: "${name}" is none of conversation, user and temp`);
}
