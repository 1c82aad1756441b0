import { join } from "node:path";
import { sqliteStore } from "../../../src/stores/sqlite.ts";
import { testDirectory } from "../../support/directory.ts";
import { describeRuntime } from "../../suites/runtime-suite.ts";

const dir = testDirectory("runtime-sqlite");

describeRuntime({
  name: "sqlite",
  several: true,
  open: (id, clock) =>
    sqliteStore({ path: join(dir, `${id}.db`), ...(clock === undefined ? {} : { clock }) }),
  bursts: [100, 100_000],
  scopes: 10_000,
});
