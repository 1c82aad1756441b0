/** The checkpointers that are compared: LangGraph's own for a store, and that of this library. */
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type BaseCheckpointSaver, MemorySaver } from "@langchain/langgraph-checkpoint";
import type * as Entry from "../../src/langgraph.ts";
import type { StateStore } from "../../src/index.ts";
import { redisPrefix } from "../servers/contract.ts";
import { checkpoints, configOf, META } from "./states.ts";
import { serverOf } from "../servers/server.ts";
import {
  createRuntime,
  memoryStore,
  postgresStore,
  redisStore,
  sqliteStore,
  urlOf,
} from "../subject.ts";

const { HoldfastSaver }: typeof Entry = await import(urlOf("langgraph"));

/** A checkpointer on a fresh place. */
export interface Opened {
  readonly saver: BaseCheckpointSaver;
  readonly close: () => Promise<unknown>;
}

interface Side {
  readonly name: string;
  readonly open: () => Promise<Opened>;
}

/** The one of LangGraph, which is the base, and ours. */
export type Pair = readonly [Side, Side];

/** The pair of a store, or why there is none. */
export type Found = { readonly pair: Pair } | { readonly reason: string };

/** A class of a package of `bench/peers`; the packages are not installed with the repository. */
async function peerClass<T>(name: string, className: string): Promise<T> {
  const require = createRequire(new URL("../peers/package.json", import.meta.url));
  const loaded: object = await import(pathToFileURL(require.resolve(name)).href);
  return Reflect.get(loaded, className) as T; // As its documentation declares it.
}

interface SqliteClass {
  new (database: unknown): BaseCheckpointSaver;
}
interface PostgresClass {
  fromConnString(
    url: string,
    options: object,
  ): BaseCheckpointSaver & {
    setup(): Promise<void>;
    end(): Promise<void>;
  };
}
interface RedisClass {
  fromUrl(url: string): Promise<BaseCheckpointSaver & { end(): Promise<void> }>;
}

/** The checkpointers of a store; a reason where LangGraph's own is not installed or cannot run. */
export async function checkpointerPairs(store: string): Promise<Found> {
  try {
    return { pair: [await theirs(store), ours(store)] };
  } catch (error) {
    const [reason] = String(Object(error).message).split("\n");
    return { reason: `LangGraph's checkpointer cannot run here: ${reason}` };
  }
}

let places = 0;

function ours(store: string): Side {
  return {
    name: "HoldfastSaver",
    open() {
      const { made, remove } = storeOf(store);
      const runtime = createRuntime({ store: made });
      const close = async (): Promise<void> => {
        await runtime.close();
        remove();
      };
      return Promise.resolve({ saver: new HoldfastSaver({ runtime }), close });
    },
  };
}

function storeOf(store: string): { readonly made: StateStore; readonly remove: () => void } {
  places += 1;
  const remove = (): void => undefined;
  if (store === "memory") return { made: memoryStore(), remove };
  if (store === "redis") {
    const keyPrefix = `${redisPrefix}${places}:`;
    return { made: redisStore({ url: serverOf("redis").url, keyPrefix }), remove };
  }
  if (store === "postgres") {
    const table = `langgraph${places}`;
    return { made: postgresStore({ url: serverOf("postgres").url, table }), remove };
  }
  const dir = mkdtempSync(join(tmpdir(), "holdfast-bench-"));
  return {
    made: sqliteStore({ path: join(dir, "ours.db"), processes: "one" }),
    remove: () => rmSync(dir, { recursive: true }),
  };
}

async function theirs(store: string): Promise<Side> {
  if (store === "memory") {
    const open = (): Promise<Opened> =>
      Promise.resolve({ saver: new MemorySaver(), close: () => Promise.resolve() });
    return { name: "MemorySaver", open };
  }
  if (store === "postgres") return theirsOnPostgres();
  return store === "redis" ? theirsOnRedis() : theirsOnSqlite();
}

/** On the driver of this repository, which has the methods that it uses, and as durable. */
async function theirsOnSqlite(): Promise<Side> {
  const name = "@langchain/langgraph-checkpoint-sqlite";
  const SqliteSaver = await peerClass<SqliteClass>(name, "SqliteSaver");
  const Database = await peerClass<new (path: string) => Database>("libsql", "default");
  return {
    name: "SqliteSaver",
    open() {
      const dir = mkdtempSync(join(tmpdir(), "holdfast-bench-"));
      const database = new Database(join(dir, "theirs.db"));
      database.exec("PRAGMA synchronous = FULL");
      const close = (): Promise<void> => {
        database.close();
        rmSync(dir, { recursive: true });
        return Promise.resolve();
      };
      return Promise.resolve({ saver: new SqliteSaver(database), close });
    },
  };
}

interface Database {
  exec(text: string): unknown;
  close(): unknown;
}

async function theirsOnPostgres(): Promise<Side> {
  const name = "@langchain/langgraph-checkpoint-postgres";
  const PostgresSaver = await peerClass<PostgresClass>(name, "PostgresSaver");
  return {
    name: "PostgresSaver",
    async open() {
      places += 1;
      const { url } = serverOf("postgres");
      const saver = PostgresSaver.fromConnString(url, { schema: `langgraph${places}` });
      await saver.setup();
      return { saver, close: () => saver.end() };
    },
  };
}

async function theirsOnRedis(): Promise<Side> {
  const RedisSaver = await peerClass<RedisClass>(
    "@langchain/langgraph-checkpoint-redis",
    "RedisSaver",
  );
  const { url } = serverOf("redis");
  const probe = await RedisSaver.fromUrl(url);
  try {
    // Fails without RedisJSON and RediSearch.
    for (const { checkpoint, versions } of checkpoints(100, 1))
      await probe.put(configOf(), checkpoint, META, versions);
    await probe.deleteThread("t");
  } finally {
    await probe.end();
  }
  return {
    name: "RedisSaver",
    async open() {
      const saver = await RedisSaver.fromUrl(url);
      return { saver, close: () => saver.end() };
    },
  };
}
