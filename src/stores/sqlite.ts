/** A store in one SQLite file: WAL, one sync per batch, safe for several processes. */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "../../actors/clock.ts";
import { StoreUnavailableError } from "../../actors/errors.ts";
import type { Clock } from "../../actors/protocol.ts";
import { ASCII_AFTER_ALL, toAsciiKey } from "./ascii-key.ts";
import { createGate } from "./gate.ts";
import { isBusy, type SqliteDatabase, toStoreError } from "./sqlite-driver.ts";
import { connect, IN_MEMORY } from "./sqlite-open.ts";
import { prepareTables, type Synchronous } from "./sqlite-schema.ts";
import { SqliteSession } from "./sqlite-session.ts";
import type { ListQuery, StateStore } from "./store.ts";
import { checkTtl, placeTaken } from "./turns.ts";
import { checkWrites } from "./write-check.ts";

/** Options of `sqliteStore`. */
export interface SqliteStoreOptions {
  /** The file; it and its directory are created. `:memory:` keeps everything in this process. */
  readonly path?: string;
  /** An open better-sqlite3, libsql or node:sqlite database to use; `close` leaves it open. */
  readonly database?: SqliteDatabase;
  /** `full` (default) survives power loss; `normal` may lose the last commits then, not on a crash. */
  readonly synchronous?: Synchronous;
  /** How long to try while other processes hold the file; milliseconds, default 5000. */
  readonly busyTimeoutMs?: number;
  /** Decides what has expired; default the system's clock. Processes sharing a file must agree. */
  readonly clock?: Clock;
}

const BUSY_TIMEOUT_MS = 5000;
/** SQLite's own waiting blocks the thread, so it is short; the rest of the wait is asynchronous. */
const LOCK_WAIT_MS = 10;
const BUSY_PAUSE_MS = 10;
const LEASE_POLL_MS = 10;
const LIST_PAGE = 256;

/** A store on one file; the database is opened at the first use, and the errors of that come there. */
export function sqliteStore(options: SqliteStoreOptions): StateStore {
  const { database: given, busyTimeoutMs = BUSY_TIMEOUT_MS, clock = systemClock } = options;
  if (given === undefined && (typeof options.path !== "string" || options.path === ""))
    throw new TypeError("sqliteStore needs `path` or `database`");
  const path = options.path ?? "the given database";
  const owner = randomUUID();
  const gate = createGate("sqlite");
  const ownTurns = new Map<string, { readonly token: string; readonly until: number }>();
  let opened: { readonly database: SqliteDatabase; readonly session: SqliteSession } | undefined;

  function open(): SqliteSession {
    if (opened !== undefined) return opened.session;
    const settings = {
      path,
      synchronous: options.synchronous ?? "full",
      lockWaitMs: LOCK_WAIT_MS,
    };
    if (given !== undefined) prepareTables(given, settings);
    const database = given ?? connect(settings);
    const isStale = (key: string): boolean => {
      const turn = ownTurns.get(key);
      return turn !== undefined && clock.now() >= turn.until;
    };
    try {
      const session = new SqliteSession({ database, path, owner, isStale });
      opened = { database, session };
      return session;
    } catch (error) {
      if (given === undefined) database.close();
      throw error;
    }
  }

  /** Runs `work`, again while other processes hold the file, in the library's errors. */
  async function attempt<T>(work: (session: SqliteSession) => T): Promise<T> {
    const deadline = performance.now() + busyTimeoutMs;
    for (;;) {
      try {
        return work(open());
      } catch (error) {
        if (!isBusy(error)) throw toStoreError(error, path);
        if (performance.now() >= deadline) throw busyFor(path, busyTimeoutMs, error);
      }
      // Real time, not the injected clock: the other process lives in it.
      await sleep(BUSY_PAUSE_MS * Math.random());
    }
  }

  async function takeLease(key: string, ttlMs: number): Promise<string> {
    const token = randomUUID();
    const deadline = clock.now() + ttlMs;
    for (;;) {
      const taken = await attempt((session) => {
        const now = clock.now();
        const until = now + ttlMs;
        if (!session.lease(key, token, { now, until })) return false;
        ownTurns.set(key, { token, until });
        return true;
      });
      if (taken) return token;
      if (clock.now() >= deadline) throw placeTaken(key, ttlMs);
      await new Promise<void>((resolve) => {
        clock.setTimeout(resolve, LEASE_POLL_MS * (0.5 + Math.random()));
      });
    }
  }

  async function exclusive<T>(key: string, ttlMs: number, turn: () => Promise<T>): Promise<T> {
    checkTtl(ttlMs);
    const token = await takeLease(key, ttlMs);
    try {
      return await turn();
    } finally {
      if (ownTurns.get(key)?.token === token) ownTurns.delete(key);
      // A lease that cannot be released ends by its time; the turn's outcome stands either way.
      await attempt((session) => session.release(key, token)).catch(() => undefined);
    }
  }

  async function* list(query: ListQuery = {}): AsyncGenerator<string, void, undefined> {
    gate.check();
    const { prefix = "", after, limit = Infinity } = query;
    const start = toAsciiKey(prefix);
    const end = start + ASCII_AFTER_ALL;
    let from: string = start;
    let isAfter = false;
    const passed = after === undefined ? undefined : toAsciiKey(after);
    if (passed !== undefined && passed >= start) [from, isAfter] = [passed, true];
    for (let left = limit; left > 0; left -= LIST_PAGE) {
      const page = { after: isAfter, limit: Math.min(left, LIST_PAGE), now: clock.now() };
      const keys: string[] = await gate.run(() =>
        attempt((session) => session.list(from, end, page)),
      );
      yield* keys;
      const last = keys.at(-1);
      if (last === undefined || keys.length < LIST_PAGE) return;
      [from, isAfter] = [toAsciiKey(last), true];
    }
  }

  return {
    name: "sqlite",
    supports: {
      durable: path !== IN_MEMORY,
      transactions: true,
      ttl: true,
      watch: false,
      list: true,
      exclusive: true,
    },
    load: (keys) => gate.run(() => attempt((session) => session.load(keys, clock.now()))),
    commit: (writes, { atomic = false } = {}) =>
      gate.run(() => {
        checkWrites(writes);
        return attempt((session) => session.commit(writes, atomic, clock.now()));
      }),
    list,
    exclusive: (key, ttlMs, turn) => gate.run(() => exclusive(key, ttlMs, turn)),
    close: () =>
      gate.close(() => {
        if (given === undefined) closeDatabase(opened?.database);
        opened = undefined;
      }),
  };
}

function closeDatabase(database: SqliteDatabase | undefined): void {
  try {
    // Libraries that cannot finalize statements keep the file open for a while: leave no log behind.
    database?.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  } catch {
    // The log is complete as it is; the next connection reads it.
  }
  database?.close();
}

function busyFor(path: string, busyTimeoutMs: number, cause: unknown): StoreUnavailableError {
  return new StoreUnavailableError(
    `other connections kept ${path} locked for ${busyTimeoutMs} ms; try again`,
    { cause },
  );
}
