import { join } from "node:path";
import { sqliteStore } from "../../../src/stores/sqlite/store.ts";
import { testDirectory } from "../../support/directory.ts";
import { describeRuntime } from "../../suites/runtime-suite.ts";

const dir = testDirectory("runtime-sqlite");

describeRuntime({
  name: "sqlite",
  several: true,
  watched: true,
  history: true,
  // What survives power loss is the store's own test; without a sync per commit this one is quick.
  open: (id, clock) =>
    sqliteStore({
      path: join(dir, `${id}.db`),
      synchronous: "normal",
      ...(clock === undefined ? {} : { clock }),
    }),
  bursts: [100, 100_000],
});
