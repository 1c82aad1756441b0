/**
 * Connections to PostgreSQL. The one file that loads `pg`, an optional peer.
 *
 * Invariants
 *  D1  Every wait for a connection or a reply ends at the caller's deadline.
 *  D2  A connection without a reply is destroyed, so that no later call reads that reply.
 *  D3  An abandoned statement ends at the server as well: at a lock by the session's `patience`,
 *      and on connections opened here in any case.
 *  D4  A connection that breaks while idle never ends the process.
 *  D5  A connection that was opened here and is idle does not keep the process alive.
 */
import { performance } from "node:perf_hooks";
import type pg from "pg";
import { StoreClosedError } from "../../../actors/errors.ts";
import { installedPeer } from "../shared/optional-peer.ts";
import { isAnswered, NoAnswerError, NotConnectedError } from "./errors.ts";
import { OutOfTimeError, within } from "../shared/retry-until.ts";

/** A statement that the server parses once per connection, by its name. */
export interface PostgresStatement {
  readonly name?: string;
  readonly text: string;
}

/** The types of a parameter. */
export type PostgresValue = string | number | null | readonly (string | number | boolean | null)[];

/** A row of the driver; each column is checked before it is used. */
export type PostgresRow = Readonly<Record<string, unknown>>;

/** The part of a client of a `pg.Pool` that is used. */
export interface PostgresPoolClient {
  query(query: {
    name?: string;
    text: string;
    values?: unknown[];
  }): Promise<{ readonly rows: unknown[] }>;
  on(event: "error", listener: (error: Error) => void): unknown;
  removeListener(event: "error", listener: (error: Error) => void): unknown;
  release(destroy?: boolean): void;
}

/** The part of a `pg.Pool` that is used. */
export interface PostgresPool {
  readonly options: object;
  connect(): Promise<PostgresPoolClient>;
  on(event: "error", listener: (error: Error) => void): unknown;
  removeListener(event: "error", listener: (error: Error) => void): unknown;
}

/** A connection in use: statements run one after another. */
export interface PostgresSession {
  query(
    statement: PostgresStatement,
    values?: readonly PostgresValue[],
  ): Promise<readonly PostgresRow[]>;
  /** The longest wait for locks of a statement that begins now; milliseconds, as text. */
  patience(): string;
}

/** A connection of its own that receives notifications. */
export interface PostgresListener extends PostgresSession {
  end(): void;
}

/** How to connect. */
export interface LinkSettings {
  readonly url: string | undefined;
  readonly pool: PostgresPool | undefined;
  readonly poolSize: number;
  readonly timeoutMs: number;
}

/** The most time that is reserved for a reply; milliseconds. */
const RESERVE_MAX_MS = 400;
/** From this size on, sending and storing may take most of the time; bytes. */
const MUCH_BYTES = 2 ** 20;
const NO_CONNECTION =
  "no connection in time: it does not reply as PostgreSQL does, or all connections are in use";
/** The longest wait for the server when connections end; milliseconds. */
const GOODBYE_MS = 1_000;

function ignore(): void {
  // The pending call reports it; an idle connection is replaced when one is needed.
}

function noAnswer(): Error {
  return new NoAnswerError("no reply in time");
}

/** States the size: a large value may only need more time. */
function lateText(values: readonly PostgresValue[] = [], timeoutMs: number): string {
  const bytes = values.flat().reduce<number>((sum, value) => sum + bytesOf(value), 0);
  const advice = bytes < MUCH_BYTES ? "" : "; raise timeoutMs";
  return `${bytes} bytes were sent and got no reply within ${timeoutMs} ms${advice}`;
}

function bytesOf(value: string | number | boolean | null | undefined): number {
  return Buffer.byteLength(String(value ?? ""));
}

/** Less than `leftMs`, so that the server's error arrives before the deadline. */
function patienceMs(leftMs: number, reserveMs: number): number {
  return Math.max(1, Math.floor(leftMs - reserveMs / 2));
}

interface SessionTimes {
  /** By `performance.now()`. */
  readonly deadline: number;
  /** With less than this left, no attempt begins; milliseconds. */
  readonly reserveMs: number;
  /** The longest time of a call, for messages; milliseconds. */
  readonly timeoutMs: number;
}

function sessionOn(
  client: Pick<PostgresPoolClient, "query">,
  { deadline, reserveMs, timeoutMs }: SessionTimes,
): PostgresSession {
  return {
    async query({ name, text }, values) {
      const named = name === undefined ? { text } : { name, text };
      // The driver does not change its parameters; its types allow it.
      const query = values === undefined ? named : { ...named, values: values as unknown[] };
      const late = (): Error => new NoAnswerError(lateText(values, timeoutMs));
      const { rows } = await within(deadline, client.query(query), late);
      // The driver returns one object per row.
      return rows as PostgresRow[];
    },
    patience: () => String(patienceMs(deadline - performance.now(), reserveMs)),
  };
}

/** The connections of one store. */
export class PostgresConnection {
  readonly #settings: LinkSettings;
  readonly #reserveMs: number;
  #pool: PostgresPool | undefined;
  #own: pg.Pool | undefined;
  /** Connections opened here on which the limit is set. */
  readonly #limited = new WeakSet<PostgresPoolClient>();
  #isClosed = false;

  constructor(settings: LinkSettings) {
    this.#settings = settings;
    this.#reserveMs = Math.min(settings.timeoutMs / 5, RESERVE_MAX_MS);
  }

  /** Runs `work` on a connection; no wait exceeds `deadline` (of `performance.now()`). */
  async run<T>(work: (session: PostgresSession) => Promise<T>, deadline: number): Promise<T> {
    // An attempt that begins too late could only end unknown.
    const client = await this.#connect(deadline - this.#reserveMs);
    client.on("error", ignore);
    let isUsable = true;
    try {
      const { timeoutMs } = this.#settings;
      const session = sessionOn(client, { deadline, reserveMs: this.#reserveMs, timeoutMs });
      if (this.#own !== undefined && !this.#limited.has(client)) await this.#limit(client, session);
      return await work(session);
    } catch (error) {
      isUsable = isAnswered(error);
      throw error;
    } finally {
      // A destroyed one keeps the listener: its end may still be reported.
      if (isUsable) client.removeListener("error", ignore);
      client.release(!isUsable);
    }
  }

  /** Opens a connection beside the pool; `observed` gets payloads, `lost` is called at its end. */
  async listen(observed: (payload: string) => void, lost: () => void): Promise<PostgresListener> {
    const pool = await this.#open();
    const { Client } = await loadDriver();
    const client = new Client(pool.options);
    client.on("error", ignore);
    client.on("end", lost);
    client.on("notification", ({ payload }) => observed(payload ?? ""));
    const { timeoutMs } = this.#settings;
    const end = (): void => void client.end().catch(ignore);
    try {
      await within(performance.now() + timeoutMs, client.connect(), noAnswer);
    } catch (cause) {
      end();
      throw new NotConnectedError("no connection", { cause });
    }
    letExit(client);
    const reserveMs = this.#reserveMs;
    const session = (): PostgresSession =>
      sessionOn(client, { deadline: performance.now() + timeoutMs, reserveMs, timeoutMs });
    return {
      query: (statement, values) => session().query(statement, values),
      patience: () => session().patience(),
      end,
    };
  }

  /** Ends the connections that were opened here. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const own = this.#own;
    if (own === undefined) this.#pool?.removeListener("error", ignore);
    else await within(performance.now() + GOODBYE_MS, own.end(), noAnswer).catch(ignore);
    this.#pool = undefined;
    this.#own = undefined;
  }

  async #open(): Promise<PostgresPool> {
    if (this.#isClosed) throw new StoreClosedError("postgres");
    if (this.#pool !== undefined) return this.#pool;
    const { pool, url, poolSize, timeoutMs } = this.#settings;
    if (pool !== undefined) {
      pool.on("error", ignore);
      this.#pool = pool;
      return pool;
    }
    const { Pool } = await loadDriver();
    // Loading takes a while: the pool may have been made or closed meanwhile.
    if (this.#pool !== undefined) return this.#pool;
    if (this.#isClosed) throw new StoreClosedError("postgres");
    this.#own = new Pool({
      connectionString: url,
      max: poolSize,
      connectionTimeoutMillis: timeoutMs,
      keepAlive: true,
      allowExitOnIdle: true,
      fallback_application_name: "holdfast",
    });
    this.#own.on("error", ignore);
    this.#pool = this.#own;
    return this.#own;
  }

  /** Not when it is opened: a pooler between refuses settings that it does not know. */
  async #limit(client: PostgresPoolClient, session: PostgresSession): Promise<void> {
    const limit = String(patienceMs(this.#settings.timeoutMs, this.#reserveMs));
    await session.query({ text: "SELECT set_config('statement_timeout', $1, false)" }, [limit]);
    this.#limited.add(client);
  }

  async #connect(deadline: number): Promise<PostgresPoolClient> {
    const pool = await this.#open();
    if (performance.now() >= deadline)
      throw new NotConnectedError("no time left", { cause: new OutOfTimeError("no time left") });
    const coming = pool.connect();
    let isLate = false;
    try {
      return await within(deadline, coming, () => {
        isLate = true;
        return new OutOfTimeError(NO_CONNECTION);
      });
    } catch (cause) {
      if (isLate) coming.then((client) => client.release(), ignore);
      throw new NotConnectedError("no connection", { cause });
    }
  }
}

/** Lets the process end while the connection is idle; a waiting call has a timer (D5). */
function letExit(client: pg.Client): void {
  // The driver has it since 8.0, its types do not.
  (client as pg.Client & { unref?(): void }).unref?.();
}

/** Loads `pg`; rejects with `StoreUnavailableError` when it is missing. */
export async function loadDriver(): Promise<typeof pg> {
  try {
    const { default: driver } = await import("pg");
    return driver;
  } catch (cause) {
    // The CommonJS package exports the same as a whole.
    return installedPeer("pg", cause) as typeof pg;
  }
}
