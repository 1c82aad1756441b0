import { afterAll, describe } from "vitest";
import { postgresStore } from "../../../src/stores/postgres/store.ts";
import { dropTables, findPostgres } from "../../support/postgres.ts";
import { describeRuntime } from "../../suites/runtime-suite.ts";

const url = await findPostgres();
const tables = new Set<string>();

if (url === undefined) describe.skip("a runtime on postgres", () => undefined);
else {
  afterAll(() => dropTables(url, ...tables), 120_000);
  describeRuntime({
    name: "postgres",
    several: true,
    watched: true,
    ownClock: true,
    history: true,
    open: (id) => {
      const table = `r${id.replaceAll("-", "")}`;
      tables.add(table);
      return postgresStore({ url, table, poolSize: 3 });
    },
  });
}
