/**
 * Stores keys on a Redis server, with plain commands on the types that the original uses.
 *
 * Invariants
 *  R1  Calls on a key are sent in the order in which they were made.
 *  R2  An update is stored only over the text from which it was made, also when other processes
 *      write; later calls wait for it.
 *  R3  A given client stays open.
 */
import {
  conflictError,
  isRefused,
  ownRetries,
  retry,
  type SaveStep,
} from "../../../actors/scope/retry.ts";
import type { MutationOptions } from "../../../actors/protocol.ts";
import type { SearchResult } from "./search/result.ts";
import { connectRedis, type RedisClient } from "../redis-client.ts";
import { sessionEnd, type Backend, type TextRecipe } from "./backend.ts";
import { isRead, type Command, type Reply } from "./command.ts";
import type { IndexDefinition, StateSearchOptions } from "./index-option.ts";
import { Lanes } from "./lanes.ts";
import type { ExclusiveSection } from "../../../actors/scope/exclusive.ts";
import { Pending } from "./pending.ts";
import type { Space, Target } from "./space.ts";
import { RedisConnection } from "./redis-connection.ts";
import type { RedisIndexes } from "./redis-index.ts";
import { takesSeveralSteps, runOnRedis, type RedisTarget } from "./redis-keys.ts";
import { openIndexes } from "./redis-module.ts";
import { scanKeys } from "./redis-scan.ts";
import { SWAP } from "./redis-script.ts";

/** For an update that other writes overtake. */
const UPDATE_RETRIES = ownRetries({ maxRetries: 199, baseDelayMs: 1, maxDelayMs: 50 });

/** Stores keys on a Redis server. */
export class RedisBackend implements Backend {
  readonly #source: RedisClient | string;
  readonly #lanes = new Lanes();
  readonly #pending = new Pending();
  #connection: Promise<RedisConnection> | null = null;
  #indexes: Promise<RedisIndexes> | null = null;

  /** Takes a client, or a URL to make one. */
  constructor(source: RedisClient | string) {
    this.#source = source;
  }

  now(): number {
    return Date.now();
  }

  run(target: Target, command: Command): Promise<Reply> {
    return this.#pending.track(target.space.prefix, this.#run(target, command));
  }

  update(
    target: Target,
    recipe: TextRecipe,
    options: MutationOptions | undefined,
  ): Promise<string | undefined> {
    return this.#pending.track(target.space.prefix, this.#update(target, recipe, options));
  }

  async keys(space: Space): Promise<string[]> {
    await this.#pending.settled(space.prefix);
    const keys = await scanKeys(await this.#connect(), space.prefix);
    return keys.toSorted();
  }

  async claimSession(id: string, endsAt: number): Promise<number> {
    const { connection } = await this.#redisTarget({ id: `vcr-session:${id}`, endsAt: 0 });
    const key = `vcr-session:${id}`;
    if (endsAt === 0) return Number((await connection.send("GET", key)) ?? 0);
    const before = await connection.send("SET", key, endsAt, "PXAT", endsAt, "NX", "GET");
    return Number(before ?? endsAt);
  }

  async createIndex(space: Space, name: string, definition: IndexDefinition): Promise<void> {
    await this.#pending.settled(space.prefix);
    await (await this.#index()).create(space.prefix, name, definition);
  }

  async dropIndex(space: Space, name: string, withDocuments: boolean): Promise<void> {
    await this.#pending.settled(space.prefix);
    await (await this.#index()).drop(space.prefix, name, withDocuments);
  }

  async search(
    space: Space,
    name: string,
    query: { readonly text: string; readonly options: StateSearchOptions },
  ): Promise<SearchResult> {
    await this.#pending.settled(space.prefix);
    return (await this.#index()).search(space.prefix, name, query);
  }

  async close(): Promise<void> {
    if (typeof this.#source !== "string" || this.#connection === null) return;
    (await this.#connection).client.disconnect();
  }

  async #run(target: Target, command: Command): Promise<Reply> {
    const { space, id } = target;
    const endsAt = await sessionEnd(space, command, () => this.now());
    const redisTarget = await this.#redisTarget({ id, endsAt });
    const send = (): Promise<Reply> => runOnRedis(redisTarget, command);
    const waits = takesSeveralSteps(command) || this.#lanes.isBusy(id);
    const reply = await (waits ? this.#lanes.take(id, send) : send());
    if (!isRead(command)) await this.#wrote(target);
    return reply;
  }

  async #update(
    target: Target,
    recipe: TextRecipe,
    options: MutationOptions | undefined,
  ): Promise<string | undefined> {
    const endsAt = await sessionEnd(target.space, undefined, () => this.now());
    const redisTarget = await this.#redisTarget({ id: target.id, endsAt });
    const work = (section: ExclusiveSection): Promise<string | undefined> =>
      swap(redisTarget, recipe, section);
    const next = await this.#lanes.take(target.id, work, options);
    await this.#wrote(target);
    return next;
  }

  /** An open index is updated; an unopened one reads the keys when it is opened. */
  async #wrote(target: Target): Promise<void> {
    if (this.#indexes !== null) (await this.#indexes).wrote(target);
  }

  async #redisTarget(parts: { id: string; endsAt: number }): Promise<RedisTarget> {
    return { ...parts, connection: await this.#connect() };
  }

  #connect(): Promise<RedisConnection> {
    if (this.#connection === null) {
      this.#connection = connectionOf(this.#source);
      this.#connection.catch(() => {
        this.#connection = null; // The next call tries again.
      });
    }
    return this.#connection;
  }

  #index(): Promise<RedisIndexes> {
    if (this.#indexes === null) {
      this.#indexes = this.#connect().then(openIndexes);
      this.#indexes.catch(() => {
        this.#indexes = null; // The next call tries again.
      });
    }
    return this.#indexes;
  }
}

async function connectionOf(source: RedisClient | string): Promise<RedisConnection> {
  const isUrl = typeof source === "string";
  return new RedisConnection(isUrl ? await connectRedis(source, { stringNumbers: true }) : source);
}

/** Reads, makes the next text, and stores it; repeated when another write was faster. */
async function swap(
  { connection, id, endsAt }: RedisTarget,
  recipe: TextRecipe,
  section: ExclusiveSection,
): Promise<string | undefined> {
  let next: string | undefined;
  const attempt = async (count: number): Promise<SaveStep> => {
    const reply = await section.during(connection.send("GET", id));
    const before = typeof reply === "string" ? reply : undefined;
    next = await section.run(count, (given) => recipe(before, given));
    if (next === undefined || next === before) return "empty";
    const args = [before === undefined ? "0" : "1", before ?? "", next, endsAt];
    const isStored = await section.writing(() => connection.script(SWAP, id, args));
    return isStored === "1" ? "saved" : "conflict";
  };
  if (!isRefused(await retry({ ...UPDATE_RETRIES, attempt }))) return next;
  throw conflictError(UPDATE_RETRIES.cas, { expectedVersion: 0, actualVersion: 0 });
}
