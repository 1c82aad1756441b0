/** The bench of contention on the stores of this process: D1 to D4, D6 and S1. */
import { aloneSection, delaySection, largeSection } from "./contention/commit.ts";
import { awaySection, hotSection, spreadSection } from "./contention/count.ts";
import { STORE_NAMES, type StoreName } from "./contention/place.ts";
import { sequencerSection } from "./contention/sequence.ts";
import type { Bench } from "./support.ts";

function chosen(store: string | undefined): readonly StoreName[] {
  if (store === undefined) return STORE_NAMES;
  const names = STORE_NAMES.filter((name) => name === store);
  if (names.length > 0) return names;
  throw new Error(`no store is called ${store}; there are: ${STORE_NAMES.join(", ")}`);
}

/** What many callers on few records, and one commit, cost beside the usual ways to do it. */
export const bench: Bench = {
  name: "contention",
  async *sections({ rounds, store }) {
    const stores = chosen(store);
    for (const name of stores) yield hotSection(name, rounds);
    if (stores.includes("sqlite")) yield awaySection(rounds);
    for (const name of stores) yield spreadSection(name, rounds);
    if (!stores.includes("sqlite")) return;
    yield aloneSection(rounds);
    yield largeSection(rounds);
    yield delaySection(rounds);
    yield sequencerSection(rounds);
  },
};
