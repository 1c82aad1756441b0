import { join } from "node:path";
import { contentionSuite } from "../suites/contention-suite.ts";
import { testDirectory } from "../support/directory.ts";

const dir = testDirectory("contention");
let places = 0;

contentionSuite({
  kind: "sqlite",
  fresh: () => {
    places += 1;
    return join(dir, `place-${places}`);
  },
});
