/**
 * What a store checks before it uses a connection: that it is in the requested database, and, once,
 * whether the server's settings keep the requested durability.
 *
 * ioredis continues in database 0 when the one of the url does not exist; so it is selected again
 * here, where the reply is read.
 */
import { performance } from "node:perf_hooks";
import type { Redis } from "ioredis";
import { isHoldfastError, StoreUnavailableError } from "../../../actors/errors.ts";
import type { Logger } from "../../../actors/protocol.ts";
import { replyCode } from "./errors.ts";
import { type AnyRedis, isCluster } from "./open.ts";
import { within } from "../shared/retry-until.ts";

/** When an acknowledged write is on the server's disk. */
export type AppendFsync = "always" | "everysec" | "no";

/** What a handshake needs. */
export interface GreetSettings {
  readonly server: string;
  readonly appendfsync: AppendFsync;
  /** True when commits are confirmed by WAITAOF. */
  readonly needsWaitAof: boolean;
  readonly logger: Logger;
}

/** Redis' own default, for a server that does not report its limit. */
const BULK_BYTES_MAX = 512 * 1024 * 1024;
/** The longest wait for the nodes of a Cluster; milliseconds. */
const LOOK_MS = 1_000;
const STRENGTH: Readonly<Record<AppendFsync, number>> = { no: 0, everysec: 1, always: 2 };

/** Checks connections and remembers the result. */
export class RedisHandshake {
  readonly #settings: GreetSettings;
  #isChecked = false;
  #bulkBytesMax = BULK_BYTES_MAX;

  constructor(settings: GreetSettings) {
    this.#settings = settings;
  }

  /** The longest text that the server accepts; bytes. */
  get bulkBytesMax(): number {
    return this.#bulkBytesMax;
  }

  /** Rejects when the connection cannot be used; warns once of settings that are too weak. */
  async greet(client: AnyRedis): Promise<void> {
    if (!isCluster(client) && (client.options.db ?? 0) > 0)
      await client.select(client.options.db ?? 0);
    if (this.#isChecked) return;
    if (!isCluster(client)) return this.#report(await this.#look(client));
    const looks = client.nodes("master").map((node) => this.#look(node));
    // An unavailable node must not stop the others: the next connection checks again.
    const found = await within(performance.now() + LOOK_MS, Promise.all(looks), noAnswer).catch(
      (error: unknown) => {
        if (isHoldfastError(error)) throw error;
        return undefined;
      },
    );
    if (found !== undefined) this.#report(found.flat());
  }

  #report(found: readonly string[]): void {
    this.#isChecked = true;
    const weak = [...new Set(found)];
    if (weak.length > 0)
      this.#settings.logger.warn(
        `${this.#settings.server} may lose writes that were acknowledged: ${weak.join("; ")}`,
      );
  }

  async #look(node: Redis): Promise<string[]> {
    const info = await infoOf(node);
    if (this.#settings.needsWaitAof) refuseWithoutWaitAof(this.#settings.server, info);
    const config = await configOf(node);
    const bulk = Number(config.get("proto-max-bulk-len") ?? Number.NaN);
    if (bulk > 0) this.#bulkBytesMax = Math.min(this.#bulkBytesMax, bulk);
    return [...this.#durability(config, info), ...eviction(config, info)];
  }

  #durability(config: Settings, info: Settings): string[] {
    const { appendfsync: asked } = this.#settings;
    if (asked === "no") return [];
    const isOn = config.get("appendonly") ?? (info.get("aof_enabled") === "1" ? "yes" : undefined);
    const level = config.get("appendfsync");
    if (isOn === undefined && info.get("aof_enabled") === undefined)
      return ["its durability could not be checked (CONFIG and INFO are denied)"];
    if (isOn !== "yes")
      return [`it has no append-only file, "${asked}" was requested (set appendonly yes)`];
    if (level === undefined)
      return asked === "always" ? ["appendfsync could not be checked (CONFIG is denied)"] : [];
    if (isLevel(level) && STRENGTH[level] >= STRENGTH[asked]) return [];
    return [`its appendfsync is "${level}", "${asked}" was requested`];
  }
}

function noAnswer(): Error {
  return new Error("a node does not reply");
}

type Settings = ReadonlyMap<string, string>;

function isLevel(text: string): text is AppendFsync {
  return Object.hasOwn(STRENGTH, text);
}

function eviction(config: Settings, info: Settings): string[] {
  const policy = config.get("maxmemory-policy") ?? info.get("maxmemory_policy");
  if (policy === undefined) return ["its maxmemory-policy could not be checked"];
  if (policy === "noeviction") return [];
  return [`its maxmemory-policy is "${policy}": it removes records (set noeviction)`];
}

function refuseWithoutWaitAof(server: string, info: Settings): void {
  const version = info.get("redis_version");
  // For a server that does not report its version, the first commit finds out.
  if (version === undefined) return;
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major > 7 || (major === 7 && minor >= 2)) return;
  throw new StoreUnavailableError(
    `waitAof needs Redis 7.2, and ${server} is ${version}: update it, or leave waitAof out`,
  );
}

const WANTED = ["appendonly", "appendfsync", "maxmemory-policy", "proto-max-bulk-len"];

async function configOf(node: Redis): Promise<Settings> {
  const found = new Map<string, string>();
  // One by one, because before Redis 7 CONFIG GET takes one name.
  const replies = await Promise.all(
    WANTED.map((name) => unlessRefused(() => node.call("CONFIG", "GET", name))),
  );
  for (const reply of replies) {
    // A list of name and value, or the same as an object where the client maps replies.
    const pairs: unknown[] = Array.isArray(reply) ? reply : Object.entries(reply ?? {}).flat();
    if (pairs.length >= 2) found.set(String(pairs[0]), String(pairs[1]));
  }
  return found;
}

async function infoOf(node: Redis): Promise<Settings> {
  const text = await unlessRefused(() => node.info());
  const lines = typeof text === "string" ? text.split("\r\n") : [];
  return new Map(
    lines.flatMap((line) => {
      const at = line.indexOf(":");
      return at > 0 ? [[line.slice(0, at), line.slice(at + 1)] as const] : [];
    }),
  );
}

/** The result of `ask`; `undefined` when the server does not allow it. */
async function unlessRefused<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (replyCode(error) === "NOPERM" || replyCode(error) === "ERR") return undefined;
    throw error;
  }
}
