/** The options of `redisStore`, checked. */
import type { Logger } from "../../../actors/protocol.ts";
import {
  consoleLogger,
  countOption,
  positiveOption,
  refuseUnknown,
} from "../../../actors/scope/options.ts";
import { quietLogger } from "../../../actors/scope/safe-call.ts";
import type { AppendFsync } from "./handshake.ts";
import { type AnyRedis, serverName } from "./open.ts";
import type { Confirmation } from "./pipeline.ts";
import { tombstoneOption } from "../shared/tombstones.ts";
import { readServerUrl } from "../shared/server-url.ts";

/** The prefix of all keys when no other is given. */
export const DEFAULT_PREFIX = "holdfast:";

/** Options of `redisStore`: `url` or `client`, and how durable a commit is. */
export interface RedisStoreOptions {
  /** `redis://user:password@host:port/db`, or `rediss:` for TLS; the store ends its connection. */
  readonly url?: string | undefined;
  /** A client of ioredis: one server, Sentinel, or a `Cluster`; `close` leaves it open. */
  readonly client?: AnyRedis | undefined;
  /** Begins every key and the channel, without braces; default `holdfast:`. */
  readonly keyPrefix?: string | undefined;
  /** How long a call is retried while the server is unavailable; milliseconds, default 5000. */
  readonly timeoutMs?: number | undefined;
  /** Commits wait until so many replicas have them (WAIT); default: no wait. */
  readonly wait?: { readonly replicas: number; readonly timeoutMs: number } | undefined;
  /** Commits wait until so many disks have them (WAITAOF, Redis 7.2); default: no wait. */
  readonly waitAof?:
    | {
        readonly local: 0 | 1;
        readonly replicas: number;
        readonly timeoutMs: number;
      }
    | undefined;
  /** The server's required setting; a weaker one is warned of. Default `everysec`; `no`: none. */
  readonly appendfsync?: AppendFsync | undefined;
  /**
   * Milliseconds for which tombstones are kept when a kind sets none; default 7 days, at least a
   * second over `timeoutMs`, because a call may be retried for so long.
   */
  readonly tombstoneMs?: number | undefined;
  /** Receives warnings; default the console. */
  readonly logger?: Logger | undefined;
}

/** The options with their defaults. */
export interface RedisSettings {
  readonly url: string | undefined;
  readonly client: AnyRedis | undefined;
  readonly server: string;
  readonly prefix: string;
  readonly timeoutMs: number;
  readonly confirmation: Confirmation | undefined;
  readonly appendfsync: AppendFsync;
  readonly needsWaitAof: boolean;
  readonly tombstoneMs: number;
  readonly logger: Logger;
}

const TIMEOUT_MS = 5_000;
const KNOWN = [
  "url",
  "client",
  "keyPrefix",
  "timeoutMs",
  "wait",
  "waitAof",
  "appendfsync",
  "tombstoneMs",
  "logger",
] satisfies readonly (keyof RedisStoreOptions)[];

/** Fills in defaults; throws a `TypeError` or `RangeError`. */
export function readOptions(options: RedisStoreOptions): RedisSettings {
  refuseUnknown("redisStore", options, KNOWN);
  const { url, client, keyPrefix = DEFAULT_PREFIX, appendfsync = "everysec" } = options;
  if ((url === undefined) === (client === undefined))
    throw new TypeError("redisStore needs `url` or `client`, and not both");
  if (url !== undefined) checkUrl(url);
  else if (!isIoredis(client))
    throw new TypeError("redisStore: `client` must be a Redis or a Cluster of ioredis");
  if (typeof keyPrefix !== "string" || /[{}]/.test(keyPrefix))
    throw new TypeError("redisStore: `keyPrefix` must be a text without braces");
  // A misspelt level would silently be a weaker one.
  if (!["always", "everysec", "no"].includes(appendfsync))
    throw new RangeError(`appendfsync must be "always", "everysec" or "no", not ${appendfsync}`);
  return {
    url,
    client,
    server: serverName(url, client),
    prefix: keyPrefix,
    timeoutMs: positiveOption("timeoutMs", options.timeoutMs, TIMEOUT_MS),
    confirmation: confirmationOf(options),
    appendfsync,
    needsWaitAof: options.waitAof !== undefined,
    tombstoneMs: tombstoneOption(options.tombstoneMs),
    logger: quietLogger(options.logger ?? consoleLogger),
  };
}

function checkUrl(text: string): void {
  const url = readServerUrl(text, ["redis", "rediss"]);
  const database = url?.searchParams.get("db") ?? "";
  // The driver would continue in database 0. The message omits the text: it contains a password.
  if (url === undefined || !/^\/?\d*$/.test(url.pathname) || !/^\d*$/.test(database))
    throw new TypeError(
      "url must be redis://user:password@host:port/db, or rediss: for TLS; db is a whole number",
    );
}

/** Clients of other libraries have other methods, and would fail at the first call. */
function isIoredis(client: unknown): boolean {
  if (typeof client !== "object" || client === null) return false;
  const has = (name: string): boolean => typeof Reflect.get(client, name) === "function";
  return has("on") && has("pipeline") && typeof Reflect.get(client, "status") === "string";
}

function confirmationOf({ wait, waitAof }: RedisStoreOptions): Confirmation | undefined {
  if (wait !== undefined && waitAof !== undefined)
    throw new TypeError("redisStore takes `wait` or `waitAof`, and not both");
  if (wait !== undefined) {
    const replicas = countOption("wait.replicas", wait.replicas, 1, 1);
    const timeoutMs = countOption("wait.timeoutMs", wait.timeoutMs, TIMEOUT_MS, 1);
    return {
      command: ["WAIT", String(replicas), String(timeoutMs)],
      missing: (reply) => short("replicas", Number(reply), replicas),
    };
  }
  if (waitAof === undefined) return undefined;
  const local = countOption("waitAof.local", waitAof.local, 1);
  const replicas = countOption("waitAof.replicas", waitAof.replicas, 0);
  const timeoutMs = countOption("waitAof.timeoutMs", waitAof.timeoutMs, TIMEOUT_MS, 1);
  return {
    command: ["WAITAOF", String(local), String(replicas), String(timeoutMs)],
    missing: (reply) => {
      const [own, others]: readonly unknown[] = Array.isArray(reply) ? reply : [];
      return (
        short("local disks", Number(own), local) ?? short("replicas", Number(others), replicas)
      );
    },
  };
}

function short(what: string, found: number, asked: number): string | undefined {
  return found >= asked ? undefined : `${found} of ${asked} ${what} have it; the primary has it`;
}
