/** Changes a scope, never closes its runtime, and comes to its end by itself. */
import { Redis } from "ioredis";
import { Pool } from "pg";
import { defineKind } from "../../src/runtime/kinds.ts";
import { createRuntime } from "../../src/runtime/runtime.ts";
import { postgresStore } from "../../src/stores/postgres/store.ts";
import { RedisStorage } from "../../src/dialects/turn-state/storages.ts";
import { redisStore } from "../../src/stores/redis/store.ts";
import type { StateStore } from "../../src/stores/contract.ts";
import { openStore } from "./open-store.ts";

const [kind = "", place = "", what = ""] = process.argv.slice(2);

/** A store with a client or pool of its own, and the way to end that. */
function openGiven(): { store: StateStore; end: () => Promise<unknown> } {
  const [url = "", name = ""] = place.split("#");
  if (kind === "redis") {
    const client = new Redis(url);
    const store = redisStore({ client, keyPrefix: name, appendfsync: "no" });
    return { store, end: () => client.quit() };
  }
  const pool = new Pool({ connectionString: url });
  return { store: postgresStore({ pool, table: name }), end: () => pool.end() };
}

async function writeDocuments(): Promise<void> {
  const [url = "", keyPrefix = ""] = place.split("#");
  const storage = new RedisStorage(url, { keyPrefix });
  await storage.write({ document: { n: 1 } });
  void storage.write({ document: { n: 2 } });
}

async function changeScope(): Promise<void> {
  const given = what === "given" ? openGiven() : undefined;
  const store = given?.store ?? openStore(kind, place);
  const kinds = { draft: defineKind({ durability: "checkpoint" }) };
  const runtime = createRuntime({ store, kinds });
  const scope = await runtime.open<{ n: number }>(what === "checkpoint" ? "draft" : "user", "u");
  process.once("exit", () => console.log(scope.version, scope.state.n));
  runtime.subscribe(() => undefined);
  await scope.incState({ n: 1 });
  const last = scope.incState({ n: 1 });
  if (what !== "under way") await last;
  await given?.end();
}

await (what === "documents" ? writeDocuments() : changeScope());
