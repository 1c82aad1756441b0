/** The server that a bench measures on, found or started while the bench runs. */
import type { Server } from "./contract.ts";
import { startPostgres } from "./postgres.ts";
import { startRedis } from "./redis.ts";

/** Stores that need a server. */
export const SERVER_STORES = ["redis", "postgres"] as const;

/** One of them. */
export type ServerStore = (typeof SERVER_STORES)[number];

/** True for the name of a store that needs a server. */
export function isServerStore(store: string | undefined): store is ServerStore {
  return SERVER_STORES.some((name) => name === store);
}

const running = new Map<ServerStore, Server>();

/** Runs `work` while the server of `store` is there; other stores need none. */
export async function* withServer<T>(
  store: string | undefined,
  work: (server: Server | undefined) => AsyncIterable<T>,
): AsyncIterable<T> {
  if (!isServerStore(store)) {
    yield* work(undefined);
    return;
  }
  const server = await (store === "redis" ? startRedis() : startPostgres());
  running.set(store, server);
  try {
    yield* work(server);
  } finally {
    running.delete(store);
    await server.stop();
  }
}

/** The server of `withServer`; throws outside of it. */
export function serverOf(store: ServerStore): Server {
  const server = running.get(store);
  if (server === undefined) throw new Error(`no ${store} server was started for this bench`);
  return server;
}
