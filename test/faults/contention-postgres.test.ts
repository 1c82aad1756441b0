import { afterAll, it } from "vitest";
import { contentionSuite } from "../suites/contention-suite.ts";
import { dropTables, findPostgres, freshTable } from "../support/postgres.ts";

const url = await findPostgres();

if (url === undefined) {
  it.skip("contention on postgres");
} else {
  const tables: string[] = [];
  afterAll(async () => {
    for (const table of tables) await dropTables(url, table);
  });
  contentionSuite({
    kind: "postgres",
    fresh: () => {
      const table = freshTable();
      tables.push(table);
      return `${url}#${table}`;
    },
  });
}
