import { afterAll, describe } from "vitest";
import { postgresStore } from "../../../../src/stores/postgres/store.ts";
import { dropTables, findPostgres, freshTable } from "../../../support/postgres.ts";
import { describePatchLog } from "../../../suites/patch-log.ts";

const url = await findPostgres();

if (url === undefined) describe.skip("the patch log of postgres", () => undefined);
else {
  const table = freshTable();
  afterAll(() => dropTables(url, table));
  describePatchLog({
    name: "postgres",
    open: () => postgresStore({ url, table, poolSize: 1 }),
  });
}
