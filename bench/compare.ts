/** The bench of a first look: a part of the others, in which everything is compared. */
import { aloneSection } from "./contention/commit.ts";
import { hotSection } from "./contention/count.ts";
import { fileUses } from "./contention/site.ts";
import { awaitedSection, burstSection } from "./micro/turn.ts";
import type { Bench } from "./support.ts";

/** K1 to K3 beside bare functions and queues, D1 and D3 on sqlite beside the usual ways. */
export const bench: Bench = {
  name: "compare",
  keptAs: () => "compare",
  async *sections({ rounds }) {
    yield awaitedSection(rounds);
    yield burstSection(rounds);
    yield hotSection("sqlite", rounds);
    for (const use of fileUses()) yield aloneSection(use, rounds);
  },
};
