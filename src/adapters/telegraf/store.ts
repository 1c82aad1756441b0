/** A session store of Telegraf, for sessions of the library itself. */
import type { AsyncSessionStore } from "telegraf/session";
import { mutableCopy } from "../../../actors/state/mutable-copy.ts";
import { KeptValues, type KeptOptions } from "../shared/kept-values.ts";

/** Options of `sessionStore`. */
export interface SessionStoreOptions extends KeptOptions {}

/**
 * A session store over a runtime. A write replaces: of two processes that handle updates of one key
 * at once, the later one decides; `session` of this entry point keeps both. Throws `TypeError` for
 * an unknown option.
 */
export function sessionStore<T>(options: SessionStoreOptions): AsyncSessionStore<T> {
  const values = new KeptValues<T>(options, { where: "sessionStore", type: "telegraf-store" });
  return {
    // What was set as a T is read as one; a copy may be edited.
    get: async (name) => mutableCopy(await values.get(name)) as T | undefined,
    set: (name, value) => values.set(name, value),
    delete: (name) => values.delete(name),
  };
}
