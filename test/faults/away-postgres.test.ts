import { it } from "vitest";
import { postgresStore } from "../../src/stores/postgres.ts";
import { awaySuite } from "../suites/away-suite.ts";
import { canStartPostgres, ownPostgres, type OwnPostgres } from "../support/postgres.ts";

if (canStartPostgres()) {
  let own: OwnPostgres | null = null;
  awaySuite({
    name: "PostgreSQL",
    async begin() {
      own = await ownPostgres();
    },
    open: (id, timeoutMs) => postgresStore({ url: own?.url ?? "", table: id, timeoutMs }),
    stop: async () => own?.stop(),
    start: async () => own?.start(),
    end: async () => own?.destroy(),
  });
} else {
  it.skip("postgres going away");
}
