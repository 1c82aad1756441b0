/** The options of `postgresStore`, checked. */
import type { Logger } from "../../../actors/protocol.ts";
import { consoleLogger, positiveOption, refuseUnknown } from "../../../actors/scope/options.ts";
import { quietLogger } from "../../../actors/scope/safe-call.ts";
import type { LinkSettings, PostgresPool } from "./connection.ts";
import type { CallsSettings } from "./calls.ts";
import { DEFAULT_TABLE, tablesOf } from "./schema.ts";
import { tombstoneOption } from "../shared/tombstones.ts";
import { readServerUrl } from "../shared/server-url.ts";

/** Options of `postgresStore`; either `url` or `pool`. */
export interface PostgresStoreOptions {
  /** `postgres://user:password@host:port/database`; connections are opened at the first use. */
  readonly url?: string | undefined;
  /** A `pg.Pool` to use; `close` leaves it open. */
  readonly pool?: PostgresPool | undefined;
  /** The tables are `<table>_record` and so on; may name a schema: `app.holdfast`. */
  readonly table?: string | undefined;
  /** How long a call is retried while the server is unavailable; milliseconds, default 5000. */
  readonly timeoutMs?: number | undefined;
  /** Makes the tables when there are none; default true. Else run `postgresSchema()` before. */
  readonly migrate?: boolean | undefined;
  /** Connections at most, when opened by `url`; default 5, and one more for watching. */
  readonly poolSize?: number | undefined;
  /** A state or change over so many bytes of JSON is refused; default and maximum 256 MB. */
  readonly maxStateBytes?: number | undefined;
  /**
   * Milliseconds for which tombstones are kept when a kind sets none; default 7 days, at least a
   * second over `timeoutMs`, because a call may be retried for so long.
   */
  readonly tombstoneMs?: number | undefined;
  /** Gets one warning when the server's settings allow a commit to be lost; default the console. */
  readonly logger?: Logger | undefined;
}

const TIMEOUT_MS = 5_000;
const KNOWN = [
  "url",
  "pool",
  "table",
  "timeoutMs",
  "migrate",
  "poolSize",
  "maxStateBytes",
  "tombstoneMs",
  "logger",
] satisfies readonly (keyof PostgresStoreOptions)[];
const POOL_SIZE = 5;
/** The server's limit is 1 GB for a value, escaped and in one message with others. */
const STATE_BYTES_MAX = 2 ** 28;

/** The options with their defaults. */
export interface PostgresSettings extends LinkSettings, CallsSettings {
  readonly timeoutMs: number;
  readonly maxStateBytes: number;
  readonly tombstoneMs: number;
}

/** Fills in defaults; throws a `TypeError` or `RangeError`. */
export function readOptions(options: PostgresStoreOptions): PostgresSettings {
  refuseUnknown("postgresStore", options, KNOWN);
  const { url, pool, table = DEFAULT_TABLE, migrate = true } = options;
  if ((url === undefined) === (pool === undefined))
    throw new TypeError("postgresStore needs either `url` or `pool`");
  if (url === undefined) checkPool(pool);
  const given = positiveOption("maxStateBytes", options.maxStateBytes, STATE_BYTES_MAX);
  return {
    url,
    pool,
    names: { server: url === undefined ? "the PostgreSQL server" : serverName(url), table },
    tables: tablesOf(table),
    timeoutMs: positiveOption("timeoutMs", options.timeoutMs, TIMEOUT_MS),
    poolSize: positiveOption("poolSize", options.poolSize, POOL_SIZE),
    migrate,
    tombstoneMs: tombstoneOption(options.tombstoneMs),
    maxStateBytes: Math.min(given, STATE_BYTES_MAX),
    logger: quietLogger(options.logger ?? consoleLogger),
  };
}

/** The first call would keep a client forever; an ended pool returns no connection. */
function checkPool(pool: unknown): void {
  const read = (name: string): unknown =>
    typeof pool === "object" && pool !== null ? Reflect.get(pool, name) : undefined;
  const isPool =
    typeof read("connect") === "function" &&
    typeof read("on") === "function" &&
    typeof read("options") === "object";
  if (!isPool) throw new TypeError("postgresStore: `pool` must be a Pool of pg, not a Client");
  if (read("ending") === true || read("ended") === true)
    throw new TypeError("postgresStore: `pool` was ended; give one that is open");
}

/** The server and database in messages: never the user, the password or the parameters. */
function serverName(url: string): string {
  // The message omits the text, because it contains a password.
  const parsed = readServerUrl(url, ["postgres", "postgresql"]);
  if (parsed === undefined)
    throw new TypeError("url must be postgres://user:password@host:port/database");
  return `PostgreSQL at ${parsed.host || "the local socket"}${parsed.pathname}`;
}
