/**
 * Receives the commits of other owners, on a connection of its own: a subscriber can send nothing
 * else.
 *
 * Owns: one connection for all watchers of a store, from the first to the last of them.
 *
 * Redis publishes to the present subscribers and stores nothing, so a lost connection misses
 * notices. ioredis would subscribe again without notice; therefore each connection here is used
 * until it ends, and a new one is made.
 *
 * Invariants
 *  F1  `start` resolves when the server has confirmed the subscription.
 *  F2  After a lost connection each watcher gets `missed` when the next one is subscribed, and not
 *      before: no commit after a read that follows it is missed.
 *  F3  A connection that does not reply to a ping is ended, so that F2 covers half-open ones.
 */
import { performance } from "node:perf_hooks";
import { setInterval, clearInterval } from "node:timers";
import { setTimeout as sleep } from "node:timers/promises";
import type { Redis } from "ioredis";
import { StoreUnavailableError } from "../../../actors/errors.ts";
import type { Logger } from "../../../actors/protocol.ts";
import { fromAsciiKey } from "../shared/ascii-key.ts";
import { handshakeMs } from "./connection.ts";
import { letExit } from "./driver.ts";
import { type AnyRedis, isCluster } from "./open.ts";
import { within } from "../shared/retry-until.ts";
import { type Watcher, Watchers } from "../shared/watchers.ts";

/** What `RedisFeed` needs of its store. */
export interface FeedSettings {
  readonly channel: string;
  /** The owner whose commits are not reported. */
  readonly owner: string;
  /** For messages. */
  readonly server: string;
  /** The longest wait for the subscription; milliseconds. */
  readonly timeoutMs: number;
  readonly logger: Logger;
  /** A connected client; its address and password are used. */
  readonly client: (deadline: number) => Promise<AnyRedis>;
  /** Retries work that failed for lack of a connection, until the deadline. */
  readonly repeat: (work: (deadline: number) => Promise<void>) => Promise<void>;
}

const CONNECT_TIMEOUT_MS = 5_000;
const PING_MS = 10_000;
const PAUSE_MS = 250;

/** The watchers of a store and their connection; see the header of this file. */
export class RedisFeed {
  readonly #settings: FeedSettings;
  readonly #watchers: Watchers;
  /** Settles when the connection is subscribed, for the first time or again. */
  #subscribed: Promise<void> | undefined;
  #connection: Redis | undefined;
  /** Grows when the connection ends, so that work still running for it stops. */
  #generation = 0;

  constructor(settings: FeedSettings) {
    this.#settings = settings;
    const { logger } = settings;
    this.#watchers = new Watchers({ store: "redis", logger, end: () => this.#end() });
  }

  /** Adds `watcher`; resolves to a function that removes it. */
  start(watcher: Watcher): Promise<() => Promise<void>> {
    const { timeoutMs, server } = this.#settings;
    const away = (): Error =>
      new StoreUnavailableError(`${server} could not be watched for ${timeoutMs} ms; try again`);
    return this.#watchers.add(watcher, () => {
      this.#subscribed ??= this.#begin(this.#generation);
      return within(performance.now() + timeoutMs, this.#subscribed, away);
    });
  }

  /** Ends the connection; no watcher is notified after it. */
  close(): void {
    this.#watchers.close();
  }

  #end(): void {
    this.#generation += 1;
    this.#subscribed = undefined;
    this.#connection?.disconnect();
    this.#connection = undefined;
  }

  #begin(generation: number): Promise<void> {
    return this.#settings.repeat((deadline) => this.#subscribe(generation, deadline));
  }

  async #subscribe(generation: number, deadline: number): Promise<void> {
    const connection = duplicate(await this.#settings.client(deadline));
    connection.on("message", (_channel: string, notice: string) => {
      if (generation === this.#generation) this.#notify(notice);
    });
    const ready = connection.connect().then(() => connection.subscribe(this.#settings.channel));
    const until = Math.min(deadline, performance.now() + handshakeMs(this.#settings.timeoutMs));
    try {
      await within(until, ready, () => new Error("no subscription in time"));
    } catch (error) {
      connection.disconnect();
      throw error;
    }
    if (generation !== this.#generation) {
      connection.disconnect();
      return;
    }
    this.#connection = connection;
    const ping = pinging(connection);
    connection.once("end", () => {
      clearInterval(ping);
      if (generation === this.#generation) this.#subscribed = this.#recover(generation);
    });
  }

  /** Retries a new connection without a limit, while there are watchers. Never rejects. */
  async #recover(generation: number): Promise<void> {
    for (;;) {
      try {
        await this.#begin(generation);
        break;
      } catch {
        // The commits of this store report the error; a watcher waits until it has passed.
        await sleep(PAUSE_MS, undefined, { ref: false });
      }
      if (generation !== this.#generation) return;
    }
    if (generation !== this.#generation) return;
    this.#watchers.missed();
  }

  #notify(notice: string): void {
    const [, owner, version, name] = /^(\S+) (\d+) (.*)$/s.exec(notice) ?? [];
    if (name === undefined || owner === this.#settings.owner) return;
    this.#watchers.changed(fromAsciiKey(name), Number(version));
  }
}

/** A second connection like the client's, to any node of a Cluster: each receives all notices. */
function duplicate(client: AnyRedis): Redis {
  const nodes = isCluster(client) ? client.nodes() : [client];
  const node = nodes[Math.floor(Math.random() * nodes.length)];
  if (node === undefined) throw new Error("the cluster has no nodes");
  const connection = node.duplicate({
    lazyConnect: true,
    connectTimeout: CONNECT_TIMEOUT_MS,
    retryStrategy: () => null,
    autoResubscribe: false,
    enableOfflineQueue: true,
    maxRetriesPerRequest: 0,
    // The channel's name includes it already.
    keyPrefix: "",
  });
  letExit(connection);
  // The handler of `end` acts on it.
  connection.on("error", () => undefined);
  return connection;
}

/** Pings the server at intervals, and ends the connection when a ping got no reply. */
function pinging(connection: Redis): NodeJS.Timeout {
  let hasReply = true;
  const ping = setInterval(() => {
    if (!hasReply) connection.disconnect();
    hasReply = false;
    connection.ping().then(
      () => {
        hasReply = true;
      },
      () => undefined,
    );
  }, PING_MS);
  return ping.unref();
}
