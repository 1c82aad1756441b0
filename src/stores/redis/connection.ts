/**
 * The connection of a store. The first call makes it; after a loss, the next call does.
 *
 * Owns: the client, if it was made here, and whether it may be used now.
 *
 * Invariants
 *  N1  Nothing is passed to ioredis before it is `ready` and the handshake is done: so a failure
 *      before that had no effect, and nothing stays in a queue that outlives the call.
 *  N2  A call ends by its deadline, whatever the client's own options set for retries.
 *  N3  A connection made here that was accepted and then not served is ended, so that the next one
 *      is tried within the same call. A given client is managed by its owner.
 *  N4  There is always a listener for `error`: a dropped connection never ends the process.
 *  N5  A connection that was made here and is idle does not keep the process alive.
 */
import { performance } from "node:perf_hooks";
import { StoreClosedError } from "../../../actors/errors.ts";
import { isError } from "../../../actors/realm.ts";
import { NotSentError, innermost, judgeRedis } from "./errors.ts";
import { type AnyRedis, openRedis } from "./open.ts";
import { reasonOf, within } from "../shared/retry-until.ts";

const HANDSHAKE_MIN_MS = 500;
const HANDSHAKE_MAX_MS = 5_000;

/** What a connection needs. */
export interface LinkSettings {
  /** The server's url; absent when a client is given. */
  readonly url: string | undefined;
  readonly client: AnyRedis | undefined;
  /** For messages. */
  readonly server: string;
  /** The longest time of a call; milliseconds. */
  readonly timeoutMs: number;
  /** Runs the handshake on each new connection before it is used. */
  readonly greet: (client: AnyRedis) => Promise<void>;
}

/** A connection; see the header of this file. */
export class RedisConnection {
  readonly #settings: LinkSettings;
  #client: AnyRedis | undefined;
  #opening: Promise<AnyRedis> | undefined;
  #connecting: Promise<AnyRedis> | undefined;
  /** Ends the wait for the client, and removes its listeners. */
  #giveUp: (() => void) | undefined;
  #isReady = false;
  #isClosed = false;
  #lastError: unknown;

  constructor(settings: LinkSettings) {
    this.#settings = settings;
  }

  /** The client, connected, after the handshake. Rejects with `NotSentError` after the deadline. */
  async ready(deadline: number): Promise<AnyRedis> {
    const client = this.#isClosed ? undefined : (this.#client ?? (await this.#open()));
    if (this.#isClosed || client === undefined) throw new StoreClosedError("redis");
    if (this.#isReady && client.status === "ready") return client;
    this.#connecting ??= this.#connect(client).finally(() => {
      this.#connecting = undefined;
    });
    return within(deadline, this.#connecting, () => this.#notSent("no connection in time"));
  }

  /** Replaces a connection that gets no replies; a given client is managed by its owner. */
  renew(): void {
    if (this.#settings.client === undefined) this.#client?.disconnect(true);
  }

  /** Ends the connection if it was made here; a given client is not changed. */
  close(): void {
    this.#isClosed = true;
    const client = this.#client;
    if (client === undefined) return;
    client.off("close", this.#onClose);
    this.#giveUp?.();
    // One made here keeps its listeners: a later error must not end the process.
    if (this.#settings.client === undefined) {
      client.disconnect();
      return;
    }
    client.off("error", this.#onError);
    client.off("node error", this.#onError);
  }

  readonly #onError = (error: unknown): void => {
    this.#lastError = innermost(error);
  };

  readonly #onClose = (): void => {
    this.#isReady = false;
  };

  #open(): Promise<AnyRedis> {
    this.#opening ??= openRedis(this.#settings)
      .then((client) => {
        client.on("error", this.#onError);
        client.on("node error", this.#onError);
        client.on("close", this.#onClose);
        this.#client = client;
        return client;
      })
      .finally(() => {
        this.#opening = undefined;
      });
    return this.#opening;
  }

  async #connect(client: AnyRedis): Promise<AnyRedis> {
    const work = this.#shakeHands(client);
    const { client: given, timeoutMs } = this.#settings;
    if (given === undefined) await this.#inTime(work, handshakeMs(timeoutMs));
    else await work;
    // It may have been lost meanwhile; a request sent then is retried.
    this.#isReady = client.status === "ready";
    return client;
  }

  #inTime(work: Promise<void>, ms: number): Promise<void> {
    return within(performance.now() + ms, work, () => {
      this.renew();
      return this.#notSent("it accepted a connection and did not reply");
    });
  }

  async #shakeHands(client: AnyRedis): Promise<void> {
    if (client.status !== "ready") await this.#untilReady(client);
    await this.#settings.greet(client);
  }

  #untilReady(client: AnyRedis): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (settle: () => void): void => {
        client.off("ready", onReady);
        client.off("error", onError);
        client.off("end", onEnd);
        settle();
      };
      const onReady = (): void => end(resolve);
      const onEnd = (): void => end(() => reject(this.#notSent("the connection ended")));
      const onError = (error: unknown): void => {
        const cause = innermost(error);
        // A wrong password stays wrong; an unreachable server may come back.
        if (judgeRedis(this.#settings.server)(cause).kind === "refused") end(() => reject(cause));
      };
      this.#giveUp = () => end(() => reject(new StoreClosedError("redis")));
      client.on("ready", onReady);
      client.on("error", onError);
      client.on("end", onEnd);
      // A given client may be in a pause of its own, after which it connects by itself.
      if (["wait", "end"].includes(client.status)) client.connect().catch(onError);
    });
  }

  #notSent(reason: string): NotSentError {
    const error = this.#lastError;
    return new NotSentError(isError(error) ? `${reason}: ${reasonOf(error)}` : reason);
  }
}

/** The longest wait for one connection, so that most calls can try two; milliseconds. */
export function handshakeMs(timeoutMs: number): number {
  return Math.min(HANDSHAKE_MAX_MS, Math.max(HANDSHAKE_MIN_MS, timeoutMs / 2));
}
