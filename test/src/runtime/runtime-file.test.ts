import { join } from "node:path";
import { fileStore } from "../../../src/stores/file/store.ts";
import { testDirectory } from "../../support/directory.ts";
import { describeRuntime } from "../../suites/runtime-suite.ts";

const dir = testDirectory("runtime-file");

describeRuntime({
  name: "file",
  history: true,
  // What survives power loss is the store's own test; without the syncs this one is quick.
  open: (id, clock) =>
    fileStore({ dir: join(dir, id), fsync: false, ...(clock === undefined ? {} : { clock }) }),
});
