/**
 * A child process that is stopped for good in the middle of an atomic commit: `url table`. It says
 * so before it stops, when all of the batch but COMMIT was answered.
 */
import { writeSync } from "node:fs";
import { Pool } from "pg";
import { postgresStore } from "../../src/stores/postgres/store.ts";

const [, , url = "", table = ""] = process.argv;
const pool = new Pool({ connectionString: url });
pool.on("connect", (client) => {
  // The one form of `query` that the store uses.
  const send = client.query.bind(client) as (query: { text: string }) => Promise<unknown>;
  const query = (config: { text: string }): Promise<unknown> => {
    if (config.text !== "COMMIT") return send(config);
    writeSync(1, "stopped\n");
    process.kill(process.pid, "SIGSTOP");
    return send(config);
  };
  Object.assign(client, { query });
});
const store = postgresStore({ pool, table, timeoutMs: 2_000 });
await store.load(["k"]).catch(() => undefined); // On a busy machine connecting takes long.
const write = { key: "k", expectedVersion: 1, version: 2, state: { by: "stopper" } };
await store.commit([write, { ...write, key: "l" }], { atomic: true });
