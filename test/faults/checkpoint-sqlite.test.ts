import { join } from "node:path";
import { checkpointProcesses } from "../suites/checkpoint-processes.ts";
import { testDirectory } from "../support/directory.ts";

const dir = testDirectory("checkpoint");
let places = 0;

checkpointProcesses({
  kind: "sqlite",
  fresh: () => {
    places += 1;
    return join(dir, `place-${places}`);
  },
});
