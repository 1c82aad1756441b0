/**
 * States as the client keeps them: frozen JSON that shares what did not change.
 *
 *  T1  What a function returns is frozen all through, and what was frozen is never written to.
 *  T2  A node whose content did not change is the same object as before.
 *  T3  `__proto__` is an ordinary key.
 */

/** One operation of a JSON Patch (RFC 6902). */
export interface Operation {
  readonly op: string;
  /** A JSON Pointer. */
  readonly path: string;
  readonly value?: unknown;
}

type Fields = Record<string, unknown>;

/** `next`, frozen in place; with the nodes of `before` where they are equal. */
export function shared(next: unknown, before?: unknown): unknown {
  if (!isNode(next) || Object.isFrozen(next)) return next;
  const old = isNode(before) && Array.isArray(before) === Array.isArray(next) ? before : {};
  const keys = Object.keys(next);
  let isSame = old === before && keys.length === Object.keys(old).length;
  for (const key of keys) {
    const child = Object.hasOwn(old, key) ? old[key] : undefined;
    next[key] = shared(next[key], child); // An own key, so no setter runs.
    isSame &&= next[key] === child && Object.hasOwn(old, key);
  }
  return isSame ? old : Object.freeze(next);
}

/** The state after a JSON Patch of `add`, `replace` and `remove`; throws when it does not fit. */
export function patched(state: unknown, operations: readonly Operation[]): unknown {
  // The whole state is a field too, so that an empty pointer needs no case of its own.
  const root: Fields = { "": state };
  const made = new Set<object>([root]);
  for (const { op, path, value } of operations) {
    const keys = path.split("/").map((key) => key.replaceAll("~1", "/").replaceAll("~0", "~"));
    const last = keys.pop() ?? "";
    let node = root;
    for (const key of keys) {
      const child = node[slot(node, key)];
      if (!isNode(child)) throw misfit();
      const own = made.has(child) ? child : copyOf(child);
      made.add(own);
      node = node[key] = own;
    }
    write(node, last, op, value);
  }
  for (const node of made) Object.freeze(node);
  return root[""];
}

/** The state after a JSON Merge Patch (RFC 7396). */
export function merged(state: unknown, patch: unknown): unknown {
  if (!isNode(patch) || Array.isArray(patch)) return shared(patch, state);
  const next = isNode(state) && !Array.isArray(state) ? { ...state } : {};
  for (const [key, value] of Object.entries(patch))
    if (value === null) delete next[key];
    else define(next, key, merged(Object.hasOwn(next, key) ? next[key] : undefined, value));
  return shared(next, state);
}

function write(node: Fields, key: string, op: string, value: unknown): void {
  const isList = Array.isArray(node);
  if (op === "add" && isList) {
    node.splice(key === "-" ? node.length : Number(slot(node, key, 1)), 0, shared(value));
  } else if (op === "add") define(node, key, shared(value));
  else if (op === "replace") node[slot(node, key)] = shared(value, node[key]);
  else if (op !== "remove") throw misfit();
  else if (isList) node.splice(Number(slot(node, key)), 1);
  else delete node[slot(node, key)];
}

/** A key that is there; in a list also one of the `more` places behind its end. */
function slot(node: Fields, key: string, more = 0): string {
  const isThere = Array.isArray(node)
    ? /^(?:0|[1-9]\d*)$/.test(key) && Number(key) < node.length + more
    : Object.hasOwn(node, key);
  if (!isThere) throw misfit();
  return key;
}

function copyOf(node: Fields): Fields {
  // A list is written to by its indexes.
  return Array.isArray(node) ? ([...node] as unknown as Fields) : { ...node };
}

function define(node: Fields, key: string, value: unknown): void {
  const fixed = { configurable: true, enumerable: true, writable: true };
  Object.defineProperty(node, key, { ...fixed, value });
}

function isNode(value: unknown): value is Fields {
  return typeof value === "object" && value !== null;
}

function misfit(): Error {
  return new Error("the patch does not fit");
}
