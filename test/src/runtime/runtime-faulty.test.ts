/** Faults that a runtime hides: writes made twice, conflicts out of nothing, late answers. */
import { systemClock } from "../../../actors/time/clock.ts";
import { memoryStore } from "../../../src/stores/memory/store.ts";
import { faultyStore } from "../../../src/testing/faulty-store.ts";
import { describeRuntime } from "../../suites/runtime-suite.ts";

describeRuntime({
  name: "a faulty store",
  history: true,
  open(_id, clock) {
    // With a simulated clock nobody would let the time of a slow call pass.
    if (clock !== undefined)
      return faultyStore(memoryStore({ clock }), { seed: 7, rates: { duplicate: 0.2 } });
    const rates = { duplicate: 0.2, slow: 0.1 };
    return faultyStore(memoryStore(), { seed: 7, rates, clock: systemClock, slowMs: 3 });
  },
});
