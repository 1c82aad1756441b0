import { join } from "node:path";
import { sqliteStore } from "../../../../src/stores/sqlite/store.ts";
import { testDirectory } from "../../../support/directory.ts";
import { describeHistoryRows } from "../../../suites/history-rows.ts";

const dir = testDirectory("history-rows");

describeHistoryRows({
  name: "sqlite",
  open: () => sqliteStore({ path: join(dir, "rows.db"), synchronous: "normal" }),
});
