/** The bench of what is stored: states of 1 KB to 1 MB, and several processes on one store. */
import { recordStore, sizeSection } from "./durable/sizes.ts";
import { apartSection, burstSection, steadySection } from "./durable/processes.ts";
import type { Bench } from "./support.ts";

/** Small changes of large states, D5, and how the rate grows with the processes. */
export const bench: Bench = {
  name: "durable",
  keptAs: (store = "sqlite") => (store === "sqlite" ? "durable" : `durable-${store}`),
  async *sections({ rounds, store = "sqlite" }) {
    const on = recordStore(store);
    yield sizeSection({ store: on, lanes: 1 }, rounds);
    yield sizeSection({ store: on, lanes: 16 }, rounds);
    yield burstSection(on, rounds);
    yield steadySection(on, rounds);
    yield apartSection(on, rounds);
  },
};
