/** The bench of the kernel: K1 to K8 and I1. */
import { recipeSection, wideSection } from "./micro/node.ts";
import { memorySection, startSection } from "./micro/process.ts";
import { awaitedSection, backlogSection, burstSection, spreadSection } from "./micro/turn.ts";
import type { Bench } from "./support.ts";

/** What one turn, one write, one waiting call and one resident scope cost. */
export const bench: Bench = {
  name: "micro",
  keptAs: (store) => (store === undefined ? "micro" : undefined),
  async *sections() {
    yield awaitedSection();
    yield burstSection();
    yield spreadSection();
    yield backlogSection();
    yield wideSection();
    yield recipeSection();
    yield memorySection();
    yield startSection();
  },
};
