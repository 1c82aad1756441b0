/** The bench of the kernel: K1 to K6 and K8. */
import { recipeSection, wideSection } from "./micro/node.ts";
import { tracedSection } from "./micro/traced.ts";
import { awaitedSection, backlogSection, burstSection, spreadSection } from "./micro/turn.ts";
import type { Bench } from "./support.ts";

/** What one turn, one write and one recipe cost. */
export const bench: Bench = {
  name: "micro",
  keptAs: (store) => (store === undefined ? "micro" : undefined),
  async *sections({ rounds }) {
    yield awaitedSection(rounds);
    yield tracedSection(rounds);
    yield burstSection(rounds);
    yield spreadSection(rounds);
    yield backlogSection(rounds);
    yield wideSection(rounds);
    yield recipeSection(rounds);
  },
};
