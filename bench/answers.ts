/** The bench of answers that write nothing: what it costs that they are verified at the store. */
import { besideSection } from "./answers/beside.ts";
import { aloneSection, gatheredSection } from "./answers/noop.ts";
import { storeName, type StoreName } from "./contention/site.ts";
import { isServerStore } from "./servers/server.ts";
import type { Bench } from "./support.ts";

const STORES: readonly StoreName[] = ["memory", "sqlite", "redis", "postgres"];

/** A1 to A3: a no-op alone, 1,000 in one tick, and beside 1,000 commits. */
export const bench: Bench = {
  name: "answers",
  keptAs: (store) => {
    if (store === undefined) return "answers";
    return isServerStore(store) ? `answers-${store}` : undefined;
  },
  async *sections({ rounds, store }) {
    const stores = store === undefined ? STORES.slice(0, 2) : [storeName(store, STORES)];
    for (const name of stores) {
      yield aloneSection(name, rounds);
      yield gatheredSection(name, rounds);
      yield besideSection(name, rounds);
    }
  },
};
