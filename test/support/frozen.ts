/** Looks whether a value can still be changed by whoever holds it. */
import { types } from "node:util";

function isClosed(node: object): boolean {
  return Object.isFrozen(node) && Object.hasOwn(node, "clear");
}

/** True when no container in `node` can be changed; dates and bytes cannot be frozen. */
export function isDeepFrozen(node: unknown): boolean {
  if (typeof node !== "object" || node === null) return true;
  if (types.isDate(node) || types.isUint8Array(node)) return true;
  if (types.isMap(node)) return isClosed(node) && [...node].flat().every(isDeepFrozen);
  if (types.isSet(node)) return isClosed(node) && [...node].every(isDeepFrozen);
  return Object.isFrozen(node) && Object.values(node).every(isDeepFrozen);
}
