/** Makes the client of a store from a url, and distinguishes kinds of clients. */
import type { Cluster, Redis } from "ioredis";
import { letExit, loadDriver } from "./driver.ts";

/** The clients of a store: of one server, one built for Sentinel, or of a Cluster. */
export type AnyRedis = Redis | Cluster;

const CONNECT_TIMEOUT_MS = 5_000;
/** How long an ended connection waits for the other side; milliseconds. */
const DISCONNECT_TIMEOUT_MS = 50;

/** True for the client of a Cluster. */
export function isCluster(client: AnyRedis): client is Cluster {
  return "slots" in client;
}

/** The given client, or a new one for `url` that connects when `connect` is called. */
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
    // Only the store retries requests that were pending when the connection broke.
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    // The next call connects: a pause of the client's own could be longer than the call may take.
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
