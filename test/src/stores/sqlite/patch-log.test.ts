import { join } from "node:path";
import { sqliteStore } from "../../../../src/stores/sqlite/store.ts";
import { testDirectory } from "../../../support/directory.ts";
import { describePatchLog } from "../../../suites/patch-log.ts";

const dir = testDirectory("patch-log");

describePatchLog({
  name: "sqlite",
  open: () => sqliteStore({ path: join(dir, "log.db"), synchronous: "normal" }),
});
