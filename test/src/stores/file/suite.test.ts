import { join } from "node:path";
import { describe, it } from "vitest";
import { fileStore } from "../../../../src/stores/file/store.ts";
import { describeStore } from "../../../../src/testing/store-suite.ts";
import type { SuiteContext } from "../../../../src/testing/suite-case.ts";
import { testDirectory } from "../../../support/directory.ts";

const dir = testDirectory("file");
const open = ({ id, clock }: SuiteContext) => fileStore({ dir: join(dir, id), clock });

describeStore(
  // The cases mostly wait for the disk, each in a directory of its own.
  { describe: describe.concurrent, it },
  { name: "file", create: open, reopen: open, second: open },
);
