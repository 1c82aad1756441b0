/**
 * A server that a bench measures on: found, started or plainly missed, and what it spends.
 *
 *  V1  A bench of a store whose server is absent fails and says how to get one; it never skips.
 *  V2  What a bench made on a server is removed when it ends, and a server it started is gone.
 *  V3  Processor time is read only of processes of this machine; else it is unknown, not 0.
 */

/** There is no server, and the message says how to get one. */
export class ServerAbsentError extends Error {}

/** A server at hand. */
export interface Server {
  readonly url: string;
  /** Its version and the settings its durability hangs on, for the head of a report. */
  readonly line: string;
  /** Seconds of processor all its processes used; `undefined` when it runs elsewhere. */
  readonly cpuSeconds: () => number | undefined;
  /** Removes what the bench made and stops what it started. */
  readonly stop: () => Promise<void>;
}

/** All keys a bench makes in Redis start so. */
export const redisPrefix: string = `holdfast-bench-${process.pid}:`;

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
  const server = await start(store);
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

async function start(store: ServerStore): Promise<Server> {
  // Loaded when asked for: a bench of an embedded store needs no driver.
  if (store === "redis") return (await import("./redis.ts")).startRedis();
  return (await import("./postgres.ts")).startPostgres();
}

/** The end of a message about an address, which must not show a password. */
export function plainUrl(url: string): string {
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname}`;
}
