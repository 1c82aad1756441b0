import { it } from "vitest";
import { postgresStore } from "../../src/stores/postgres/store.ts";
import { awaySuite } from "../suites/away-suite.ts";
import { canStartPostgres } from "../support/postgres.ts";
import { ownPostgres, type OwnPostgres } from "../support/postgres-server.ts";

if (canStartPostgres()) {
  let own: OwnPostgres | null = null;
  awaySuite({
    name: "PostgreSQL",
    port: () => own?.port ?? 0,
    async begin() {
      own = await ownPostgres();
    },
    open(id, { timeoutMs, port }) {
      const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
      return postgresStore({ url, table: id, timeoutMs });
    },
    stop: async () => own?.stop(),
    start: async () => own?.start(),
    end: async () => own?.destroy(),
  });
} else {
  it.skip("postgres going away");
}
