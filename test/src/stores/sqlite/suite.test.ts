import { join } from "node:path";
import { describe, it } from "vitest";
import { sqliteStore } from "../../../../src/stores/sqlite/store.ts";
import { openDatabase } from "../../../../src/stores/sqlite/driver.ts";
import { describeStore } from "../../../../src/testing/store-suite.ts";
import type { SuiteContext } from "../../../../src/testing/suite-case.ts";
import { testDirectory } from "../../../support/directory.ts";

const dir = testDirectory("sqlite");
const open = ({ id, clock }: SuiteContext) => sqliteStore({ path: join(dir, `${id}.db`), clock });

describeStore({ describe, it }, { name: "sqlite", create: open, reopen: open, second: open });

describeStore(
  { describe, it },
  {
    name: "sqlite on a given database, synchronous normal",
    create: ({ id, clock }) =>
      sqliteStore({
        database: openDatabase(join(dir, `given-${id}.db`)),
        synchronous: "normal",
        clock,
      }),
  },
);

describeStore(
  { describe, it },
  { name: "sqlite in memory", create: ({ clock }) => sqliteStore({ path: ":memory:", clock }) },
);
