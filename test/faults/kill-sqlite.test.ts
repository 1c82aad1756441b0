import { killSuite } from "../suites/kill-suite.ts";
import { testDirectory } from "../support/directory.ts";

killSuite("sqlite", testDirectory("kill-sqlite"), { cycles: 15 });
