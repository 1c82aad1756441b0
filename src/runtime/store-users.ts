/** Which store objects are used by open runtimes: the last one to close closes the store. */
import { typeName } from "../../actors/state/copy.ts";
import type { StateStore } from "../stores/contract.ts";

const users = new WeakMap<StateStore, number>();

/** Counts one more open runtime on the store; the returned function ends its use. */
export function useStore(store: StateStore): () => Promise<void> {
  users.set(store, (users.get(store) ?? 0) + 1);
  return () => leaveStore(store);
}

/**
 * True when several writers may use the store: other processes, by its capabilities, or another
 * runtime on this store object.
 */
export function isShared(store: StateStore): boolean {
  return store.supports.shared !== false || (users.get(store) ?? 0) > 1;
}

/** Ends the use of a closed runtime; the last one closes the store. */
async function leaveStore(store: StateStore): Promise<void> {
  const left = (users.get(store) ?? 1) - 1;
  if (left > 0) users.set(store, left);
  else users.delete(store);
  if (left <= 0) await store.close();
}

/** Throws `TypeError` for no store; early, because it would fail far from its declaration. */
export function checkStore(store: unknown): void {
  if (typeof store === "object" && store !== null)
    if ("load" in store && "commit" in store && "supports" in store) return;
  throw new TypeError(
    `store must be a store, such as sqliteStore({ path }), received ${typeName(store)}`,
  );
}
