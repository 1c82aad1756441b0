import { join } from "node:path";
import { sharedLinearizable } from "../suites/shared-linearizable.ts";
import { testDirectory } from "../support/directory.ts";

const dir = testDirectory("shared-linearizable");
let places = 0;

sharedLinearizable({
  kind: "sqlite",
  fresh: () => {
    places += 1;
    return join(dir, `place-${places}`);
  },
});
