import { memoryStore } from "../../../src/stores/memory/store.ts";
import { describeRuntime } from "../../suites/runtime-suite.ts";

describeRuntime({
  name: "memory",
  history: true,
  open: (_id, clock) => memoryStore(clock === undefined ? {} : { clock }),
  bursts: [100, 100_000],
  scopes: 10_000,
});
