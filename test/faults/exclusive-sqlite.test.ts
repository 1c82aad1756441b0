import { join } from "node:path";
import { exclusiveProcesses } from "../suites/exclusive-processes.ts";
import { testDirectory } from "../support/directory.ts";

const dir = testDirectory("exclusive");
let places = 0;

exclusiveProcesses({
  kind: "sqlite",
  fresh: () => {
    places += 1;
    return join(dir, `place-${places}`);
  },
});
