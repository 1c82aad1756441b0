/**
 * A store in Redis, Valkey or a Cluster of them: one script per write, all writes of a call in one
 * pipeline per node.
 *
 * `list` reads an index that contains at least every key of a record, and checks each record's
 * head; a sweep removes the keys without a head. A lease's token goes with every commit of its key,
 * so that Redis itself refuses an owner that lost its lease.
 */
import { randomBytes } from "node:crypto";
import type { ExclusiveWait } from "../../../actors/protocol.ts";
import { hostClock } from "../../../actors/time/clock.ts";
import { fromAsciiKey, toAsciiKey } from "../shared/ascii-key.ts";
import { createGate } from "../shared/closable.ts";
import { LargeKeys } from "../shared/large-records.ts";
import { listPages } from "../shared/key-pages.ts";
import { RedisIndex } from "./key-index.ts";
import { RedisCalls } from "./calls.ts";
import { RedisFeed } from "./changes.ts";
import { type RecordKeys, recordKeys } from "./keys.ts";
import { isCluster } from "./open.ts";
import { readOptions, type RedisSettings, type RedisStoreOptions } from "./options.ts";
import { readFound } from "./reader.ts";
import {
  ERASE,
  HISTORY,
  PRUNE,
  LIVING,
  READ,
  redisMs,
  type RedisScript,
  RELEASE,
  RENEW,
  TAKE,
} from "./scripts.ts";
import { keepArgs, queryArgs, readPruned, readRows } from "./history.ts";
import { RedisWriter } from "./writer.ts";
import type {
  CommitOptions,
  HistoryKeep,
  HistoryQuery,
  HistoryRow,
  ListQuery,
  ScopeWrite,
  StateStore,
  StoredRecord,
  StoreSupports,
  WriteResult,
} from "../contract.ts";
import { EVERY_STORE } from "../shared/supports.ts";
import { Sweeper } from "../shared/sweeper.ts";
import { firstForgetMs, REPEATED_MS, type TombstoneRule } from "../shared/tombstones.ts";
import { leasedTurn, type Section } from "../shared/exclusive-lease.ts";

/** The shortest time the server remembers an operation; milliseconds. */
const REMEMBER_MIN_MS = 60_000;
const REMEMBER_MAX_MS = 86_400_000;

class RedisStore implements StateStore {
  readonly name = "redis";
  readonly supports: StoreSupports = {
    ...EVERY_STORE,
    durable: true,
    transactions: false,
    watch: true,
    shared: true,
    checks: true,
  };
  readonly tombstoneMs: number;
  readonly #prefix: string;
  readonly #channel: string;
  readonly #index: RedisIndex;
  readonly #sweeper: Sweeper;
  readonly #tombstones: TombstoneRule;
  readonly #closable = createGate("redis");
  readonly #calls: RedisCalls;
  readonly #writer: RedisWriter;
  readonly #feed: RedisFeed;
  readonly #large = new LargeKeys();
  /** Names this store object in what it writes: short, because every record contains it. */
  readonly #owner: string = randomBytes(9).toString("base64url");
  /** Tokens of the exclusive sections of this object. */
  readonly #tokens = new Map<string, string>();
  #sections = 0;

  constructor(settings: RedisSettings) {
    const { prefix, server, timeoutMs } = settings;
    const clientPrefix = settings.client?.options.keyPrefix ?? "";
    const channel = `${clientPrefix}${prefix}feed`;
    const remembered = Math.max(REMEMBER_MIN_MS, 2 * timeoutMs);
    this.#prefix = prefix;
    this.tombstoneMs = settings.tombstoneMs;
    this.#tombstones = { tombstoneMs: this.tombstoneMs, leastMs: timeoutMs + REPEATED_MS };
    this.#channel = channel;
    this.#calls = new RedisCalls(settings);
    this.#index = new RedisIndex({
      prefix,
      clientPrefix,
      graceMs: 2 * timeoutMs,
      isCluster: settings.client !== undefined && isCluster(settings.client),
      ask: (requests) => this.#calls.ask(requests),
    });
    const sweep = (): Promise<number> => this.#closable.run(() => this.#index.sweep());
    this.#sweeper = new Sweeper({ clock: hostClock, sweep, isShared: true });
    this.#writer = new RedisWriter({
      prefix,
      channel,
      index: this.#index,
      tombstones: this.#tombstones,
      server,
      owner: this.#owner,
      rememberMs: Math.min(remembered, REMEMBER_MAX_MS),
      large: this.#large,
      tokenOf: (key) => this.#tokens.get(key) ?? "",
      calls: this.#calls,
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
    this.#sweeper.used();
    return this.#closable.run(() => this.#load(keys));
  }

  commit(
    writes: readonly ScopeWrite[],
    { atomic = false, checks = [] }: CommitOptions = {},
  ): Promise<WriteResult[]> {
    return this.#closable.run(async () => {
      if (atomic)
        throw new TypeError(
          "the redis store has no transactions over several keys: use one key, or another store",
        );
      if (writes.length + checks.length === 0) return [];
      // The server's limits are known only after the handshake.
      await this.#calls.read((deadline) => this.#calls.link.ready(deadline));
      const results = await this.#writer.commit(writes, checks);
      this.#sweeper.leaves(hostClock.now() + firstForgetMs(writes, this.#tombstones));
      this.#sweeper.used();
      return results;
    });
  }

  list(query: ListQuery = {}): AsyncIterable<string> {
    return listPages(query, {
      gate: this.#closable,
      page: (range) => this.#index.page(range),
      living: (keys) => this.#living(keys),
    });
  }

  exclusive<T>(key: string, ttlMs: number, section: Section<T>, wait?: ExclusiveWait): Promise<T> {
    this.#sections += 1;
    const token = `${this.#owner}.${this.#sections}`;
    const keys = [this.#keys(key).lease] as const;
    const args = [token, redisMs(ttlMs)];
    const ask = async (script: RedisScript): Promise<boolean> =>
      Number((await this.#calls.ask([{ script, keys, args }]))[0]) === 1;
    const take = async (): Promise<boolean> => {
      if (!(await ask(TAKE))) return false;
      this.#tokens.set(key, token);
      return true;
    };
    const renew = (): Promise<boolean> => ask(RENEW);
    const release = (): Promise<unknown> => {
      if (this.#tokens.get(key) === token) this.#tokens.delete(key);
      return this.#calls.ask([{ script: RELEASE, keys, args: [token] }]);
    };
    const lease = { ...wait, key, ttlMs, clock: hostClock, take, renew, release };
    return this.#closable.run(() => leasedTurn(lease, section));
  }

  watch(
    changed: (key: string, version: number) => void,
    missed?: () => void,
  ): Promise<() => Promise<void>> {
    return this.#closable.runUntilClosed(() => this.#feed.start({ changed, missed }));
  }

  erase(keys: readonly string[]): Promise<boolean[]> {
    return this.#closable.run(async () => {
      const requests = keys.map((key) => {
        const { head, base, log, history } = this.#keys(key);
        const notice = [`${this.#owner} `, ` ${toAsciiKey(key)}`];
        return {
          script: ERASE,
          keys: [head, base, log, history],
          args: [this.#channel, ...notice],
        } as const;
      });
      const seen = await this.#index.seen(keys);
      const erased = await this.#calls.ask(requests);
      const counts = erased.map((count) => Number(count) === 1);
      await this.#index.erased(keys, { seen, erased: counts });
      return counts;
    });
  }

  history(key: string, query: HistoryQuery = {}): Promise<HistoryRow[]> {
    return this.#closable.run(async () => {
      const keys = this.#keys(key);
      const [reply] = await this.#calls.ask([
        { script: HISTORY, keys: [keys.head, keys.history], args: queryArgs(query) },
      ]);
      return readRows(reply, { keys, oldestFirst: query.oldestFirst });
    });
  }

  pruneHistory(key: string, keep: HistoryKeep): Promise<number> {
    return this.#closable.run(async () => {
      const keys = this.#keys(key);
      const [reply] = await this.#calls.ask([
        { script: PRUNE, keys: [keys.head, keys.history], args: keepArgs(keep) },
      ]);
      return readPruned(reply, keys);
    });
  }

  close(): Promise<void> {
    this.#sweeper.stop();
    return this.#closable.close(() => {
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
    const replies = await this.#calls.ask(
      names.map(({ head, base, log }) => ({ script: READ, keys: [head, base, log], args: [] })),
    );
    return names.map(({ head }, at) => {
      const { record, isLarge } = readFound(replies[at], head);
      if (isLarge) this.#large.add(head);
      return record;
    });
  }

  async #living(members: readonly string[]): Promise<string[]> {
    if (members.length === 0) return [];
    const replies = await this.#calls.ask(
      members.map((member) => {
        const { head } = this.#keys(fromAsciiKey(member));
        return { script: LIVING, keys: [head], args: [] };
      }),
    );
    return members.filter((_, at) => Number(replies[at]) === 1);
  }
}

/**
 * A store in Redis. It connects at the first use; a server that cannot be used rejects that call.
 * Throws `TypeError` and `RangeError` for bad options.
 */
export function redisStore(options: RedisStoreOptions): StateStore {
  return new RedisStore(readOptions(options));
}
