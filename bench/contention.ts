/** The bench of contention: D1 to D4, D6 and S1 in this process, D1 and D2 on servers as well. */
import { aloneSection, delaySection, largeSection } from "./contention/commit.ts";
import { awaySection, hotSection, spreadSection } from "./contention/count.ts";
import { sequencerSection } from "./contention/sequence.ts";
import { EMBEDDED_STORES, fileUses, storeName, type StoreName } from "./contention/site.ts";
import { isServerStore } from "./servers/server.ts";
import type { Bench } from "./support.ts";

/** What many callers on few records, and one commit, cost beside the usual ways to do it. */
export const bench: Bench = {
  name: "contention",
  keptAs: (store) => {
    if (store === undefined) return "contention";
    return isServerStore(store) ? `contention-${store}` : undefined;
  },
  async *sections({ rounds, store }) {
    const stores: readonly StoreName[] = store === undefined ? EMBEDDED_STORES : [storeName(store)];
    for (const name of stores) yield hotSection(name, rounds);
    if (stores.includes("sqlite")) yield awaySection(rounds);
    for (const name of stores) yield spreadSection(name, rounds);
    if (!stores.includes("sqlite")) return;
    const uses = fileUses();
    for (const section of [aloneSection, largeSection, delaySection, sequencerSection])
      for (const use of uses) yield section(use, rounds);
  },
};
