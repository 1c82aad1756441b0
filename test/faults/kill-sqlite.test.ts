import { killPastSuite } from "../suites/kill-past-suite.ts";
import { killSuite } from "../suites/kill-suite.ts";
import { testDirectory } from "../support/directory.ts";

killSuite("sqlite", testDirectory("kill-sqlite"), { cycles: 15 });
killPastSuite("sqlite", testDirectory("kill-past-sqlite"), { cycles: 5 });
