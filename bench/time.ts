/** The bench of histories and timers: what keeping them costs, and going back or firing. */
import { type StoreName, storeName } from "./contention/site.ts";
import { isServerStore } from "./servers/server.ts";
import type { Bench } from "./support.ts";
import { commitSection } from "./time/commits.ts";
import { pastSection } from "./time/past.ts";
import { timerSection } from "./time/timers.ts";

const STORES: readonly StoreName[] = ["memory", "sqlite", "file", "redis", "postgres"];

/** T1, T2 and T3, on memory and sqlite, or on one store. */
export const bench: Bench = {
  name: "time",
  keptAs: (store) => {
    if (store === undefined) return "time";
    return isServerStore(store) ? `time-${store}` : undefined;
  },
  async *sections({ rounds, store }) {
    const stores = store === undefined ? STORES.slice(0, 2) : [storeName(store, STORES)];
    for (const name of stores) {
      yield commitSection(name, rounds);
      yield pastSection(name);
      yield timerSection(name);
    }
  },
};
