import { recoveredSuite } from "../suites/recovered-suite.ts";
import { testDirectory } from "../support/directory.ts";

recoveredSuite("file", testDirectory("recovered-file"));
