/** Which store objects are used by open runtimes: the last one to close closes the store. */
import type { StateStore } from "../stores/contract.ts";

const users = new WeakMap<StateStore, number>();

/** One more open runtime uses the store, until it calls what this gives. */
export function useStore(store: StateStore): () => Promise<void> {
  users.set(store, (users.get(store) ?? 0) + 1);
  return () => leaveStore(store);
}

/**
 * Others than one runtime may write to the store: other processes, as its capabilities say, or
 * another runtime on this store object.
 */
export function isShared(store: StateStore): boolean {
  return store.supports.shared !== false || (users.get(store) ?? 0) > 1;
}

/** A runtime that used the store is closed; the store is, too, when no other one uses it. */
async function leaveStore(store: StateStore): Promise<void> {
  const left = (users.get(store) ?? 1) - 1;
  if (left > 0) users.set(store, left);
  else users.delete(store);
  if (left <= 0) await store.close();
}
