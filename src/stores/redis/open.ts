/** Makes the client of a store that was given a url, and tells kinds of clients apart. */
import type { Cluster, Redis } from "ioredis";
import { letExit, loadDriver } from "./driver.ts";

/** What a store works with: a client of one server, one built for Sentinel, or one of a Cluster. */
export type AnyRedis = Redis | Cluster;

const CONNECT_TIMEOUT_MS = 5_000;
/** Until a connection that is given up is gone also if the other side says nothing. */
const DISCONNECT_TIMEOUT_MS = 50;

/** True for the client of a Cluster. */
export function isCluster(client: AnyRedis): client is Cluster {
  return "slots" in client;
}

/** The given client, or a new one that connects to `url` when it is told to. */
export async function openRedis({
  url,
  client,
}: {
  readonly url: string | undefined;
  readonly client: AnyRedis | undefined;
}): Promise<AnyRedis> {
  if (client !== undefined) return client;
  const driver = await loadDriver();
  const made = new driver.Redis(url ?? "", {
    lazyConnect: true,
    connectTimeout: CONNECT_TIMEOUT_MS,
    disconnectTimeout: DISCONNECT_TIMEOUT_MS,
    // What was on its way when the connection broke is the store's to repeat, and only its.
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    // The next call connects: a pause of the client's own could outlast all that the call may wait.
    retryStrategy: () => null,
  });
  letExit(made);
  return made;
}

/** The name of a server in messages: host and port, without user and password. */
export function serverName(url: string | undefined, client: AnyRedis | undefined): string {
  if (client !== undefined) {
    if (isCluster(client)) return "the Redis Cluster";
    const { sentinels, name, host, port, path } = client.options;
    if (sentinels && sentinels.length > 0) return `Redis ${name ?? ""} behind Sentinel`;
    return `Redis at ${path ?? `${host ?? "localhost"}:${port ?? 6379}`}`;
  }
  return `Redis at ${new URL(url ?? "").host || "localhost"}`;
}
