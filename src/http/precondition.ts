/** Entity tags: the version of a scope, and the conditions of a request on it. */

/** The entity tag of a version. */
export function etagOf(version: number): string {
  return `"${version}"`;
}

/** The version of a scope, and whether it has a record. */
export interface Versioned {
  readonly version: number;
  readonly exists: boolean;
}

/** True when a scope fits the conditions. */
export type Precondition = (scope: Versioned) => boolean;

/**
 * The conditions of a request that changes a scope; `undefined` when it has none. `If-Match` is
 * compared strongly; `"0"` fits a scope without a record, and `*` one with a record.
 */
export function preconditionOf({ headers }: Request): Precondition | undefined {
  const match = headers.get("if-match");
  const noneMatch = headers.get("if-none-match");
  if (match === null && noneMatch === null) return undefined;
  return (scope) => {
    if (match !== null && !tagsOf(match).some((tag) => isStrongly(tag, scope))) return false;
    return noneMatch === null || !tagsOf(noneMatch).some((tag) => isWeakly(tag, scope));
  };
}

/** True when the client has this version already. */
export function isFresh({ headers }: Request, version: number): boolean {
  const tags = headers.get("if-none-match");
  return tags !== null && tagsOf(tags).some((tag) => isWeakly(tag, { version, exists: true }));
}

function tagsOf(list: string): string[] {
  return list.split(",").map((tag) => tag.trim());
}

function isStrongly(tag: string, { version, exists }: Versioned): boolean {
  if (tag === "*") return exists;
  return tag === etagOf(version) || (tag === '"0"' && !exists);
}

function isWeakly(tag: string, scope: Versioned): boolean {
  return isStrongly(tag.replace(/^W\//, ""), scope);
}
