/** A storage of grammY: for sessions of the library itself, and for its plugins. */
import type { StorageAdapter } from "grammy";
import { mutableCopy } from "../../../actors/state/mutable-copy.ts";
import { KeptValues, type KeptOptions } from "../shared/kept-values.ts";

/** Options of `storageAdapter`. */
export interface StorageAdapterOptions extends KeptOptions {}

/** A storage of grammY with all of its methods, for plugins that need the optional ones too. */
export type HoldfastStorage<T> = Required<StorageAdapter<T>>;

/**
 * A `StorageAdapter` over a runtime. A write replaces: of two updates of a chat that are handled at
 * once, the later one decides, unless `session` of this entry point stands before what uses it.
 * Throws `TypeError` for an unknown option.
 */
export function storageAdapter<T>(options: StorageAdapterOptions): HoldfastStorage<T> {
  const values = new KeptValues<T>(options, { where: "storageAdapter", type: "grammy-storage" });
  return {
    // What was written as a T is read as one; a copy may be edited.
    read: async (key) => mutableCopy(await values.get(key)) as T | undefined,
    write: (key, value) => values.set(key, value),
    async delete(key) {
      await values.delete(key);
    },
    async has(key) {
      const [has = false] = await values.hasMany([key]);
      return has;
    },
    readAllKeys: () => values.keys(),
    async *readAllValues() {
      for await (const [, value] of values.entries()) yield mutableCopy(value) as T;
    },
    async *readAllEntries() {
      for await (const [key, value] of values.entries()) yield [key, mutableCopy(value) as T];
    },
  };
}
