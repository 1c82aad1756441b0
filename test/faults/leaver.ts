/** Changes a scope, never closes its runtime, and comes to its end by itself. */
import { defineKind } from "../../src/runtime/kinds.ts";
import { createRuntime } from "../../src/runtime/runtime.ts";
import { postgresStore } from "../../src/stores/postgres/store.ts";
import { redisStore } from "../../src/stores/redis/store.ts";
import type { StateStore } from "../../src/stores/contract.ts";
import { openStore } from "./open-store.ts";

const [kind = "", place = "", what = ""] = process.argv.slice(2);

/** A store with a client or pool of its own, and the way to end that. A driver is loaded where it is used. */
async function openGiven(): Promise<{ store: StateStore; end: () => Promise<unknown> }> {
  const [url = "", name = ""] = place.split("#");
  if (kind === "redis") {
    const { Redis } = await import("ioredis");
    const client = new Redis(url);
    const store = redisStore({ client, keyPrefix: name, appendfsync: "no" });
    return { store, end: () => client.quit() };
  }
  const { default: pg } = await import("pg");
  const pool = new pg.Pool({ connectionString: url });
  return { store: postgresStore({ pool, table: name }), end: () => pool.end() };
}

async function writeDocuments(): Promise<void> {
  const [url = "", keyPrefix = ""] = place.split("#");
  const { RedisStorage } = await import("../../src/dialects/turn-state/storages.ts");
  const storage = new RedisStorage(url, { keyPrefix });
  await storage.write({ document: { n: 1 } });
  void storage.write({ document: { n: 2 } });
}

async function changeScope(): Promise<void> {
  const given = what === "given" ? await openGiven() : undefined;
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
