/** JSON Pointers (RFC 6901): the paths of JSON Patch. */

/** The pointer of a path. */
export function toPointer(path: readonly (string | number)[]): string {
  return path.map((key) => `/${String(key).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

/** The keys of a pointer; throws `TypeError` for what is no pointer. */
export function parsePointer(name: string, pointer: unknown): string[] {
  // No repeated group: on a long text it would use up the stack.
  const isOne =
    typeof pointer === "string" && /^(?:\/|$)/.test(pointer) && !/~(?![01])/.test(pointer);
  if (!isOne) throw new TypeError(`${name} must be a JSON Pointer: "" or keys, each after a "/"`);
  const keys = pointer.split("/").slice(1);
  return keys.map((key) => key.replaceAll("~1", "/").replaceAll("~0", "~"));
}
