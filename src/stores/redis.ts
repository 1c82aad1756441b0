/**
 * A store in Redis, Valkey or a Cluster of them: one script per write, all writes of a call in one
 * round trip per node.
 *
 * `list` reads an index that holds at least every living key, and asks each record's head whether
 * it lives. A turn's token goes with every commit of its key, so that Redis itself refuses whoever
 * lost his turn.
 */
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { ASCII_AFTER_ALL, fromAsciiKey, toAsciiKey } from "./ascii-key.ts";
import { createGate } from "./gate.ts";
import { LargeKeys } from "./large-keys.ts";
import { RedisCalls } from "./redis-calls.ts";
import { RedisFeed } from "./redis-feed.ts";
import { type RecordKeys, recordKeys } from "./redis-key.ts";
import { readOptions, type RedisSettings, type RedisStoreOptions } from "./redis-options.ts";
import { readFound } from "./redis-record.ts";
import { LIVING, PAGE, READ, redisMs, RELEASE, TAKE } from "./redis-script.ts";
import { RedisWriter } from "./redis-writer.ts";
import type {
  ListQuery,
  ScopeWrite,
  StateStore,
  StoredRecord,
  StoreSupports,
  WriteResult,
} from "./store.ts";
import { checkTtl, placeTaken } from "./turns.ts";

const LEASE_POLL_MS = 10;
const LIST_PAGE = 256;
/** The shortest time the server remembers an operation, and the longest; milliseconds. */
const REMEMBER_MIN_MS = 60_000;
const REMEMBER_MAX_MS = 86_400_000;

class RedisStore implements StateStore {
  readonly name = "redis";
  readonly supports: StoreSupports = {
    durable: true,
    transactions: false,
    ttl: true,
    watch: true,
    list: true,
    exclusive: true,
  };
  readonly #prefix: string;
  readonly #index: string;
  readonly #gate = createGate("redis");
  readonly #calls: RedisCalls;
  readonly #writer: RedisWriter;
  readonly #feed: RedisFeed;
  readonly #large = new LargeKeys();
  /** Names this store object in what it writes: short, because every record carries it. */
  readonly #owner: string = randomBytes(9).toString("base64url");
  /** Tokens of the exclusive turns of this object. */
  readonly #tokens = new Map<string, string>();
  #turns = 0;

  constructor(settings: RedisSettings) {
    const { prefix, server, timeoutMs } = settings;
    const channel = `${settings.client?.options.keyPrefix ?? ""}${prefix}feed`;
    const remembered = Math.max(REMEMBER_MIN_MS, 2 * timeoutMs);
    this.#prefix = prefix;
    this.#index = `${prefix}index`;
    this.#calls = new RedisCalls(settings);
    this.#writer = new RedisWriter({
      prefix,
      channel,
      index: this.#index,
      server,
      owner: this.#owner,
      rememberMs: Math.min(remembered, REMEMBER_MAX_MS),
      large: this.#large,
      bulkBytesMax: () => this.#calls.bulkBytesMax,
      tokenOf: (key) => this.#tokens.get(key) ?? "",
      sendOnce: this.#calls.sendOnce,
      repeat: (work) => this.#calls.write(work),
      repeatRead: (work) => this.#calls.read(work),
      look: (keys) => this.#load(keys),
    });
    this.#feed = new RedisFeed({
      ...settings,
      channel,
      owner: this.#owner,
      client: (deadline) => this.#calls.link.ready(deadline),
      repeat: (work) => this.#calls.read(work),
    });
  }

  load(keys: readonly string[]): Promise<(StoredRecord | undefined)[]> {
    return this.#gate.run(() => this.#load(keys));
  }

  commit(
    writes: readonly ScopeWrite[],
    { atomic = false }: { readonly atomic?: boolean } = {},
  ): Promise<WriteResult[]> {
    return this.#gate.run(async () => {
      if (atomic)
        throw new TypeError(
          "the redis store has no transactions over several keys: use one key, or another store",
        );
      if (writes.length === 0) return [];
      // What the server takes is known only then.
      await this.#calls.read((deadline) => this.#calls.link.ready(deadline));
      return this.#writer.commit(writes);
    });
  }

  async *list(query: ListQuery = {}): AsyncGenerator<string, void, undefined> {
    const { prefix = "", after, limit = Infinity } = query;
    const start = toAsciiKey(prefix);
    const end = `(${start}${ASCII_AFTER_ALL}`;
    const passed = after === undefined ? undefined : toAsciiKey(after);
    let from = passed !== undefined && passed >= start ? `(${passed}` : `[${start}`;
    let left = limit;
    while (left > 0) {
      const members: string[] = await this.#gate.run(() => this.#page(from, end));
      const keys = members.map(fromAsciiKey);
      for (const key of await this.#gate.run(() => this.#living(keys))) {
        if (left <= 0) return;
        left -= 1;
        yield key;
      }
      const last = members.at(-1);
      if (last === undefined || members.length < LIST_PAGE) return;
      from = `(${last}`;
    }
    // With nothing asked for it still says that it is closed.
    this.#gate.check();
  }

  exclusive<T>(key: string, ttlMs: number, turn: () => Promise<T>): Promise<T> {
    return this.#gate.run(async () => {
      checkTtl(ttlMs);
      const { lease } = this.#keys(key);
      const token = await this.#takeLease(key, lease, ttlMs);
      try {
        return await turn();
      } finally {
        if (this.#tokens.get(key) === token) this.#tokens.delete(key);
        const release = { script: RELEASE, keys: [lease], args: [token] } as const;
        // A lease that cannot be released ends by its time; the turn's outcome stands either way.
        await this.#calls.ask([release]).catch(() => undefined);
      }
    });
  }

  watch(
    changed: (key: string, version: number) => void,
    missed?: () => void,
  ): Promise<() => Promise<void>> {
    return this.#gate.run(() => this.#feed.start({ changed, missed }));
  }

  close(): Promise<void> {
    return this.#gate.close(() => {
      this.#feed.close();
      this.#calls.link.close();
    });
  }

  #keys(key: string): RecordKeys {
    return recordKeys(this.#prefix, key);
  }

  async #load(keys: readonly string[]): Promise<(StoredRecord | undefined)[]> {
    if (keys.length === 0) return [];
    const names = keys.map((key) => this.#keys(key));
    const answers = await this.#calls.ask(
      names.map(({ head, base, log }) => ({ script: READ, keys: [head, base, log], args: [] })),
    );
    return names.map(({ head }, at) => {
      const { record, isLarge } = readFound(answers[at], head);
      if (isLarge) this.#large.add(head);
      return record;
    });
  }

  async #page(from: string, end: string): Promise<string[]> {
    const args = [from, end, String(LIST_PAGE)];
    const [members] = await this.#calls.ask([{ script: PAGE, keys: [this.#index], args }]);
    return Array.isArray(members) ? members.map(String) : [];
  }

  async #living(keys: readonly string[]): Promise<string[]> {
    if (keys.length === 0) return [];
    const answers = await this.#calls.ask(
      keys.map((key) => ({ script: LIVING, keys: [this.#keys(key).head], args: [] })),
    );
    return keys.filter((_, at) => Number(answers[at]) === 1);
  }

  async #takeLease(key: string, lease: string, ttlMs: number): Promise<string> {
    this.#turns += 1;
    const token = `${this.#owner}.${this.#turns}`;
    const deadline = performance.now() + ttlMs;
    const args = [token, redisMs(ttlMs)];
    for (;;) {
      const [taken] = await this.#calls.ask([{ script: TAKE, keys: [lease], args }]);
      if (Number(taken) === 1) {
        this.#tokens.set(key, token);
        return token;
      }
      if (performance.now() >= deadline) throw placeTaken(key, ttlMs);
      await sleep(LEASE_POLL_MS * (0.5 + Math.random()));
    }
  }
}

/**
 * A store in Redis. It connects at the first use, and what is wrong with the server is told there.
 * Throws `TypeError` and `RangeError` for bad options.
 */
export function redisStore(options: RedisStoreOptions): StateStore {
  return new RedisStore(readOptions(options));
}
