/** The bench of the dialects: each beside the package it stands in for, on the same work. */
import { adk } from "./dialects/adk.ts";
import { builderbot } from "./dialects/builderbot.ts";
import { coldSection } from "./dialects/cold.ts";
import { curveSection } from "./dialects/curve.ts";
import { idleSection } from "./dialects/idle.ts";
import { listSection } from "./dialects/list.ts";
import { searchSection } from "./dialects/search.ts";
import { turnState } from "./dialects/turn-state.ts";
import { atOnceSection, sizeSection } from "./dialects/turns.ts";
import { withVcr } from "./dialects/vcr.ts";
import type { Bench } from "./support.ts";

/** Lost updates, turns per second, long sessions, long lists, idle timers and search. */
export const bench: Bench = {
  name: "dialects",
  keptAs: (store) => (store === undefined ? "dialects" : undefined),
  async *sections({ rounds }) {
    for (const match of [turnState, adk, builderbot]) {
      yield atOnceSection(match, rounds);
      yield sizeSection(match, rounds);
    }
    yield* withVcr(async function* sections(match) {
      yield atOnceSection(match, rounds);
      yield sizeSection(match, rounds);
    });
    yield coldSection(rounds);
    yield curveSection(rounds);
    yield listSection(rounds);
    yield idleSection(rounds);
    yield searchSection();
  },
};
