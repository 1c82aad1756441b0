/** Ids of scopes and runs. */

/** Most characters of an id. */
const ID_LENGTH_MAX = 4_096;

/** Returns a valid id; throws TypeError, or RangeError for an id that is too long. */
export function checkId(id: unknown): string {
  if (typeof id !== "string" || id === "")
    throw new TypeError(
      `a scope id must be a text that is not empty, received ${id === "" ? '""' : typeof id}`,
    );
  if (id.length > ID_LENGTH_MAX)
    throw new RangeError(
      `a scope id has at most ${ID_LENGTH_MAX} characters, received ${id.length}`,
    );
  return id;
}
