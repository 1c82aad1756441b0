import { setTimeout as sleep } from "node:timers/promises";
import { describe, it } from "vitest";
import { Pool } from "pg";
import { postgresStore } from "../../../../src/stores/postgres/store.ts";
import type { StateStore } from "../../../../src/stores/contract.ts";
import { describeStore } from "../../../../src/testing/store-suite.ts";
import type { SuiteContext } from "../../../../src/testing/suite-case.ts";
import { dropTables, findPostgres } from "../../../support/postgres.ts";

const url = await findPostgres();

/** The cases mostly wait for the server's clock, each on tables of its own. */
const together = { describe: describe.concurrent, it };

function tableOf({ id }: SuiteContext): string {
  return `s${id.replaceAll("-", "")}`;
}

/** The clock of the server cannot be set: time really passes, for the given one as well. */
async function advance({ clock }: SuiteContext, ms: number): Promise<void> {
  await Promise.all([sleep(ms), clock.advance(ms)]);
}

if (url === undefined) describe.skip("postgres", () => undefined);
else {
  const open = (context: SuiteContext): StateStore =>
    postgresStore({ url, table: tableOf(context), poolSize: 2 });
  const destroy = (context: SuiteContext): Promise<void> => dropTables(url, tableOf(context));

  describeStore(together, {
    name: "postgres",
    create: open,
    reopen: open,
    second: open,
    advance,
    destroy,
  });

  const pools = new Map<string, Pool>();
  describeStore(together, {
    name: "postgres on a given pool of one connection",
    create: (context) => {
      const pool = new Pool({ connectionString: url, max: 1 });
      pools.set(context.id, pool);
      return postgresStore({ pool, table: tableOf(context) });
    },
    advance,
    destroy: async (context) => {
      await pools.get(context.id)?.end();
      await destroy(context);
    },
  });
}
