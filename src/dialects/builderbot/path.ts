/** Dot paths of this dialect: own properties only, `undefined` for everything that is missing. */

/** The value at `path` (`cart.items.0.name`); the whole state without a path. */
export function readPath(state: unknown, path: string | undefined): unknown {
  if (path === undefined) return state;
  return path.split(".").reduce<unknown>((node, key) => ownProperty(node, key), state);
}

function ownProperty(node: unknown, key: string): unknown {
  if (node === undefined || node === null) return undefined;
  const holder = Object(node) as object; // A text has a length and characters.
  return Object.hasOwn(holder, key) ? Reflect.get(holder, key) : undefined;
}
