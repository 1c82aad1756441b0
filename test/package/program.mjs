/**
 * What a user's program does, in short: changes a scope of each store, and reads it after opening it
 * again. It is bundled and run in many ways. Prints one line of JSON: what was read, or the error.
 *
 * Arguments: a folder, the URLs of a Redis and a PostgreSQL, how tables are called, how keys begin.
 */
import { createRuntime, createScope, memoryStore } from "holdfast";
import { fileStore } from "holdfast/file";
import { postgresStore } from "holdfast/postgres";
import { redisStore } from "holdfast/redis";
import { sqliteStore } from "holdfast/sqlite";
import { createVcr } from "holdfast/vcr";

const [dir, redisUrl, postgresUrl, table, keyPrefix] = process.argv.slice(2);
const quiet = { warn() {}, error() {} };

const stores = {
  file: () => fileStore({ dir: `${dir}/file` }),
  sqlite: () => sqliteStore({ path: `${dir}/bot.db` }),
  redis: () => redisStore({ url: redisUrl, keyPrefix, timeoutMs: 1_000, logger: quiet }),
  postgres: () => postgresStore({ url: postgresUrl, table, timeoutMs: 1_000, logger: quiet }),
};

/** Adds one to a counter in a runtime of its own; gives the counter. */
async function addOne(store) {
  const runtime = createRuntime({ store, logger: quiet });
  try {
    const chat = await runtime.open("session", "s1");
    await chat.patchState({ count: (chat.state.count ?? 0) + 1 });
    return chat.state.count;
  } finally {
    await runtime.close();
  }
}

async function twice(make) {
  try {
    await addOne(make());
    return await addOne(make());
  } catch (error) {
    return `${error.code}: ${error.message}`;
  }
}

async function main() {
  const found = { memory: await addOne(memoryStore()) };
  for (const [kind, make] of Object.entries(stores)) found[kind] = await twice(make);
  const scope = createScope({ initial: { list: [] } });
  await scope.pushState("list", "tea");
  found.actor = scope.actor.getSnapshot().context.state;
  await scope.stop();
  const vcr = createVcr();
  const state = vcr.getInstanceState();
  await state.set("greeting", "hello");
  found.vcr = await state.get("greeting");
  await state.createIndex("notes", { schema: [{ fieldName: "text", type: "TEXT" }] });
  await state.mapSet("note", { text: "two greetings" });
  found.search = (await state.search("notes", "greeting")).hits.map(({ id }) => id);
  await vcr.close();
  process.stdout.write(`${JSON.stringify(found)}\n`);
}

void main();
