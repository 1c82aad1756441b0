import { join } from "node:path";
import { killTimers, timersOnce } from "../suites/timer-processes.ts";
import { testDirectory } from "../support/directory.ts";

const dir = testDirectory("timers");
let places = 0;
const sqlite = {
  kind: "sqlite",
  fresh: () => {
    places += 1;
    return join(dir, `place-${places}`);
  },
};

timersOnce(sqlite);
killTimers(sqlite);
