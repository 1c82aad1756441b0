import { killSuite } from "../suites/kill-suite.ts";
import { testDirectory } from "../support/directory.ts";

killSuite("file", testDirectory("kill-file"), { cycles: 15 });
