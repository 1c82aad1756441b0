/**
 * A connection of a dialect that follows its server: a command that a server refuses because it
 * became a replica is sent again over a new connection, which leads to the new primary.
 *
 * Owns: the order of calls, and the calls that wait for the new connection.
 *
 * Invariants
 *  F1  Only a command refused for that reason is sent again: it had no effect.
 *  F2  Calls are sent in the order in which they were made. After the first refusal new calls wait
 *      until all pending ones have a reply; then the refused ones are sent first.
 *  F3  `FOLLOW_MS` after its first refusal a call rejects with the refusal.
 *  F4  At most `WAITING_MAX` calls wait; the next one is refused at once.
 */
import { performance } from "node:perf_hooks";
import { setTimeout, clearTimeout } from "node:timers";
import type { Redis } from "ioredis";
import { StoreUnavailableError } from "../../../actors/errors.ts";
import { isError } from "../../../actors/realm.ts";
import { pauseMs } from "../shared/retry-until.ts";

const FOLLOW_MS = 5_000;
const WAITING_MAX = 10_000;
const PAUSES = { firstMs: 20, longestMs: 250 };

/** A call that waits for the new connection. */
interface Waiting {
  readonly order: number;
  readonly send: () => void;
}

type Argument = string | number;
type Command = readonly [name: string, ...args: Argument[]];
type BatchReplies = [error: Error | null, reply: unknown][] | null;

/** Commands that are sent together and run without others between them. */
interface Batch {
  call(command: string, ...args: Argument[]): Batch;
  exec(): Promise<BatchReplies>;
}

/** A client that was made from a URL; see the header of this file. */
export class FollowingRedis {
  readonly #client: Redis;
  #calls = 0;
  #underWay = 0;
  /** Not null from a refusal until there is a new connection. */
  #waiting: Waiting[] | null = null;
  #isRenewing = false;
  /** New connections that led to a replica, since the last that led to a primary. */
  #vain = 0;

  constructor(client: Redis) {
    this.#client = client;
  }

  get options(): Redis["options"] {
    return this.#client.options;
  }

  get(key: string): Promise<string | null> {
    return this.#run(() => this.#client.get(key));
  }

  set(key: string, value: string): Promise<unknown> {
    return this.#run(() => this.#client.set(key, value));
  }

  del(key: string): Promise<unknown> {
    return this.#run(() => this.#client.del(key));
  }

  eval(script: string, keyCount: number, ...rest: string[]): Promise<unknown> {
    return this.#run(() => this.#client.eval(script, keyCount, ...rest));
  }

  call(command: string, ...args: Argument[]): Promise<unknown> {
    return this.#run(() => this.#client.call(command, ...args));
  }

  multi(): Batch {
    const commands: Command[] = [];
    const batch: Batch = {
      call(command, ...args) {
        commands.push([command, ...args]);
        return batch;
      },
      exec: () => this.#run(() => this.#exec(commands)),
    };
    return batch;
  }

  connect(): Promise<unknown> {
    return this.#client.connect();
  }

  quit(): Promise<unknown> {
    return this.#client.quit();
  }

  disconnect(): void {
    this.#client.disconnect();
  }

  on(event: "error", listener: (error: Error) => void): unknown {
    return this.#client.on(event, listener);
  }

  /** All or none of a batch ran: where one write was refused, so were the others. */
  async #exec(commands: readonly Command[]): Promise<BatchReplies> {
    const batch = this.#client.multi();
    for (const [command, ...args] of commands) batch.call(command, ...args);
    const replies = await batch.exec();
    const refusal = replies?.find(([error]) => isReplica(error));
    if (refusal !== undefined) throw refusal[0] ?? new Error("refused");
    return replies;
  }

  #run<T>(work: () => Promise<T>): Promise<T> {
    this.#calls += 1;
    const order = this.#calls;
    if (this.#waiting !== null && this.#waiting.length >= WAITING_MAX)
      return Promise.reject(full());
    return new Promise<T>((resolve, reject) => {
      let until: number | undefined;
      const refused = (error: unknown): void => {
        until ??= performance.now() + FOLLOW_MS;
        if (!isReplica(error) || performance.now() >= until) reject(error);
        else (this.#waiting ??= []).push({ order, send });
      };
      const send = (): void => {
        this.#underWay += 1;
        void start(work)
          .then(resolve, refused)
          .then(() => this.#replied());
      };
      if (this.#waiting === null) send();
      else this.#waiting.push({ order, send });
    });
  }

  #replied(): void {
    this.#underWay -= 1;
    if (this.#waiting === null) this.#vain = 0;
    else if (this.#underWay === 0 && !this.#isRenewing) void this.#renew();
  }

  async #renew(): Promise<void> {
    this.#isRenewing = true;
    if (this.#vain > 0) await pause(pauseMs(this.#vain, PAUSES));
    this.#vain += 1;
    await this.#connectAnew();
    const waiting = (this.#waiting ?? []).toSorted((a, b) => a.order - b.order);
    this.#waiting = null;
    this.#isRenewing = false;
    for (const { send } of waiting) send();
  }

  /** Resolves also when there is no new connection in time: then the calls report it. */
  #connectAnew(): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        this.#client.off("ready", end);
        this.#client.off("end", end);
        resolve();
      };
      const timer = setTimeout(end, FOLLOW_MS);
      this.#client.on("ready", end);
      this.#client.on("end", end);
      if (this.#client.status === "end") end();
      else this.#client.disconnect(true);
    });
  }
}

/** Starts at once; a throw becomes a rejection. */
async function start<T>(work: () => Promise<T>): Promise<T> {
  return work();
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

/** True when a server refused a command, a script or a batch because it is a replica. */
function isReplica(error: unknown): boolean {
  if (!isError(error)) return false;
  // Before Redis 7 a script's error begins with a description of the script.
  if (/^(?:-?READONLY\b|ERR Error running script.*-READONLY\b)/s.test(error.message)) return true;
  const causes: unknown = Reflect.get(error, "previousErrors");
  return Array.isArray(causes) && causes.some(isReplica);
}

function full(): StoreUnavailableError {
  return new StoreUnavailableError(
    `${WAITING_MAX} calls wait for a new connection to the Redis server; try again`,
  );
}
