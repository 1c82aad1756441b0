/** The options of the SQLite store, read and checked. */
import { durationOption, systemClock } from "../../../actors/time/clock.ts";
import type { Clock, Logger } from "../../../actors/protocol.ts";
import { consoleLogger, refuseUnknown } from "../../../actors/scope/options.ts";
import { quietLogger } from "../../../actors/scope/safe-call.ts";
import { refuseUrl } from "../shared/local-path.ts";
import { tombstoneOption } from "../shared/tombstones.ts";
import { LOCK_WAIT_MS } from "./busy.ts";
import type { Processes } from "./build.ts";
import type { SqliteDatabase } from "./driver.ts";
import type { ConnectionSettings, Synchronous } from "./setup.ts";

/** Options of `sqliteStore`. */
export interface SqliteStoreOptions {
  /** The file; it and its directory are created. `:memory:` keeps everything in this process. */
  readonly path?: string | undefined;
  /** An open better-sqlite3, libsql or node:sqlite database to use; `close` leaves it open. */
  readonly database?: SqliteDatabase | undefined;
  /**
   * `full` (default) survives power loss; `normal` may lose the last commits then, not on a crash.
   */
  readonly synchronous?: Synchronous | undefined;
  /** How long to retry while other processes lock the file; milliseconds, default 5000. */
  readonly busyTimeoutMs?: number | undefined;
  /** The clock of expiry; default the system's clock. Processes sharing a file must agree. */
  readonly clock?: Clock | undefined;
  /**
   * How many processes, or store objects, use the file of `path` at the same time. `several`
   * (default); `one` locks the file while it is open: all others reject with `STORE_UNAVAILABLE`.
   */
  readonly processes?: Processes | undefined;
  /** Milliseconds for which tombstones are kept when a kind sets none; default 7 days. */
  readonly tombstoneMs?: number | undefined;
  /** Receives warnings about the file or about this SQLite; default the console. */
  readonly logger?: Logger | undefined;
}

const BUSY_TIMEOUT_MS = 5000;
const KNOWN = [
  "path",
  "database",
  "synchronous",
  "busyTimeoutMs",
  "clock",
  "processes",
  "tombstoneMs",
  "logger",
] satisfies readonly (keyof SqliteStoreOptions)[];

/** The options with their defaults. */
export interface SqliteSettings extends ConnectionSettings {
  readonly database: SqliteDatabase | undefined;
  readonly busyTimeoutMs: number;
  readonly tombstoneMs: number;
}

/** Fills in defaults; throws a `TypeError` or `RangeError`. */
export function readSqliteOptions(options: SqliteStoreOptions): SqliteSettings {
  refuseUnknown("sqliteStore", options, KNOWN);
  const { database, synchronous = "full", processes = "several" } = options;
  // A misspelt level would silently be a weaker one.
  if (synchronous !== "full" && synchronous !== "normal")
    throw new RangeError(`synchronous must be "full" or "normal", received ${String(synchronous)}`);
  if (processes !== "one" && processes !== "several")
    throw new RangeError(`processes must be "one" or "several", received ${String(processes)}`);
  return {
    path: pathOf(options),
    database,
    synchronous,
    busyTimeoutMs: durationOption("busyTimeoutMs", options.busyTimeoutMs, BUSY_TIMEOUT_MS),
    lockWaitMs: LOCK_WAIT_MS,
    clock: options.clock ?? systemClock,
    processes,
    tombstoneMs: tombstoneOption(options.tombstoneMs),
    logger: quietLogger(options.logger ?? consoleLogger),
  };
}

function pathOf({ path, database, processes }: SqliteStoreOptions): string {
  if (path !== undefined) refuseUrl("path", path);
  if (database === undefined) {
    if (typeof path === "string" && path !== "") return path;
    throw new TypeError("sqliteStore needs `path` or `database`");
  }
  if (processes === "one")
    throw new TypeError('processes: "one" belongs to `path`; the locks of `database` are yours');
  return path ?? "the given database";
}
