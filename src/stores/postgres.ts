/**
 * A store in a PostgreSQL database, shared by any number of processes.
 *
 * A commit is one statement for up to a hundred records, each its own compare-and-set; an atomic
 * batch is one transaction. Exclusive turns are leases in the records' rows rather than advisory
 * locks: a lock of a session would stay with a process that was stopped, would keep a connection
 * for each turn, and could not make the commits of a late owner fail.
 *
 * Invariants
 *  P1  Of a batch that fails nothing took effect, or the error is a `CommitUnknownError`.
 *  P2  A commit inside a turn carries the turn's token, and takes effect only while the row has it.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { durationOption, MAX_TIMER_MS, systemClock } from "../../actors/clock.ts";
import type { Logger } from "../../actors/protocol.ts";
import { ASCII_AFTER_ALL, fromAsciiKey, toAsciiKey } from "./ascii-key.ts";
import { createGate } from "./gate.ts";
import { LargeKeys } from "./large-keys.ts";
import { PostgresDriver, type PostgresPool } from "./postgres-driver.ts";
import { isAnswered } from "./postgres-errors.ts";
import { type LinkSettings, PostgresLink } from "./postgres-link.ts";
import { RecordReader } from "./postgres-record.ts";
import { DEFAULT_TABLE, tablesOf } from "./postgres-schema.ts";
import { type Statements, statementsOf } from "./postgres-sql.ts";
import { failureOf, GROUP_MAX, groupsOf, PostgresWriter, wavesOf } from "./postgres-writer.ts";
import type { WriteRow } from "./postgres-writer.ts";
import type {
  ListQuery,
  ScopeWrite,
  StateStore,
  StoredRecord,
  StoreSupports,
  WriteResult,
} from "./store.ts";
import { createTurns, placeTaken, type Turns } from "./turns.ts";
import { checkWrites, conflict, isAllOk } from "./write-check.ts";

/** Options of `postgresStore`; either `url` or `pool`. */
export interface PostgresStoreOptions {
  /** `postgres://user:password@host:port/database`; connections are opened at the first use. */
  readonly url?: string;
  /** A `pg.Pool` to use; `close` leaves it open. */
  readonly pool?: PostgresPool;
  /** The tables are `<table>_record` and so on; may name a schema: `app.holdfast`. */
  readonly table?: string;
  /** How long a call is repeated while the server is away; milliseconds, default 5000. */
  readonly timeoutMs?: number;
  /** Makes the tables when there are none; default true. Else run `postgresSchema()` before. */
  readonly migrate?: boolean;
  /** Connections at most, when opened by `url`; default 5, and one more for watching. */
  readonly poolSize?: number;
  /** A state or change over so many bytes of JSON is refused; default and at most 256 MB. */
  readonly maxStateBytes?: number;
  /** Told once when the server's settings allow a commit to be lost; default the console. */
  readonly logger?: Logger;
}

const TIMEOUT_MS = 5_000;
const POOL_SIZE = 5;
/** A value may have 1 GB at the server, escaped and in one message with others. */
const STATE_BYTES_MAX = 2 ** 28;
const LEASE_POLL_MS = 10;
const LIST_PAGE = 256;

interface Settings extends LinkSettings {
  readonly maxStateBytes: number;
}

class PostgresStore implements StateStore {
  readonly name = "postgres";
  readonly supports: StoreSupports = {
    durable: true,
    transactions: true,
    ttl: true,
    watch: false,
    list: true,
    exclusive: true,
  };
  readonly #driver: PostgresDriver;
  readonly #link: PostgresLink;
  readonly #statements: Statements;
  readonly #writer: PostgresWriter;
  readonly #gate = createGate("postgres");
  /** Tokens of the exclusive turns of this object. */
  readonly #tokens = new Map<string, string>();
  readonly #turns: Turns = createTurns(systemClock);

  constructor(settings: Settings, driver: PostgresDriver) {
    const { names, tables, maxStateBytes } = settings;
    this.#driver = driver;
    this.#statements = statementsOf(tables);
    this.#link = new PostgresLink(settings, driver);
    this.#writer = new PostgresWriter({
      statements: this.#statements,
      reader: new RecordReader(names.server),
      large: new LargeKeys(),
      // Half of it tells writers apart as well, and each row has it several times.
      writer: randomUUID().replaceAll("-", "").slice(16),
      maxStateBytes,
      leaseOf: (key) => this.#tokens.get(key),
    });
  }

  load(keys: readonly string[]): Promise<(StoredRecord | undefined)[]> {
    return this.#gate.run(async () => {
      const encoded = keys.map((key) => toAsciiKey(key));
      const records: (StoredRecord | undefined)[] = [];
      for (let at = 0; at < encoded.length; at += GROUP_MAX) {
        const part = encoded.slice(at, at + GROUP_MAX);
        records.push(...(await this.#link.read((session) => this.#writer.load(session, part))));
      }
      return records;
    });
  }

  commit(
    writes: readonly ScopeWrite[],
    { atomic = false }: { readonly atomic?: boolean } = {},
  ): Promise<WriteResult[]> {
    return this.#gate.run(async () => {
      checkWrites(writes);
      const rows = this.#writer.prepare(writes);
      const results = new Map<WriteRow, WriteResult>();
      if (atomic) await this.#commitTogether(rows, results);
      else await this.#commitEach(rows, results);
      return rows.map((row) => results.get(row) ?? conflict(undefined));
    });
  }

  async *list(query: ListQuery = {}): AsyncGenerator<string, void, undefined> {
    const { prefix = "", after, limit = Infinity } = query;
    const { listFrom, listAfter } = this.#statements;
    let from = toAsciiKey(prefix);
    const end = from + ASCII_AFTER_ALL;
    let statement = listFrom;
    const passed = after === undefined ? undefined : toAsciiKey(after);
    if (passed !== undefined && passed >= from) [from, statement] = [passed, listAfter];
    for (let left = limit; left > 0; left -= LIST_PAGE) {
      const [sql, values] = [statement, [from, end, Math.min(left, LIST_PAGE)]];
      const rows = await this.#gate.run(() =>
        this.#link.read((session) => session.query(sql, values)),
      );
      const keys = rows.map(({ key }) => String(key));
      yield* keys.map((key) => fromAsciiKey(key));
      const last = keys.at(-1);
      if (last === undefined || keys.length < LIST_PAGE) return;
      [from, statement] = [last, listAfter];
    }
  }

  exclusive<T>(key: string, ttlMs: number, turn: () => Promise<T>): Promise<T> {
    // Those of this object queue here, so that they keep their order and only one asks the server.
    return this.#gate.run(() =>
      this.#turns.run(key, ttlMs, () => this.#runLeased(key, ttlMs, turn)),
    );
  }

  close(): Promise<void> {
    return this.#gate.close(() => this.#driver.close());
  }

  async #commitEach(rows: readonly WriteRow[], results: Map<WriteRow, WriteResult>): Promise<void> {
    for (const wave of wavesOf(rows)) {
      const sent = await Promise.allSettled(
        groupsOf(wave).map(async (group) => {
          const answers = await this.#link.write((session, isRepeat) =>
            this.#writer.send(session, group, isRepeat),
          );
          keep(group, answers, results);
        }),
      );
      const failures = sent.flatMap((end) => (end.status === "rejected" ? [end.reason] : []));
      if (failures.length === 0) continue;
      throw failureOf(
        failures,
        [...results.values()].some(({ ok }) => ok),
      );
    }
  }

  async #commitTogether(
    rows: readonly WriteRow[],
    results: Map<WriteRow, WriteResult>,
  ): Promise<void> {
    if (rows.length === 0) return;
    const isDone = await this.#link.write(async (session, isRepeat) => {
      results.clear();
      await session.query({ text: "BEGIN ISOLATION LEVEL READ COMMITTED" });
      try {
        for (const group of wavesOf(rows).flatMap((wave) => groupsOf(wave)))
          keep(group, await this.#writer.send(session, group, isRepeat), results);
      } catch (error) {
        if (isAnswered(error)) await session.query({ text: "ROLLBACK" });
        throw error;
      }
      const isAll = isAllOk([...results.values()]);
      await session.query({ text: isAll ? "COMMIT" : "ROLLBACK" });
      return isAll;
    });
    if (isDone) return;
    const keys = rows.map(({ key }) => key);
    const current = await this.#link.read((session) => this.#writer.load(session, keys));
    rows.forEach((row, index) => results.set(row, conflict(current[index])));
  }

  async #runLeased<T>(key: string, ttlMs: number, turn: () => Promise<T>): Promise<T> {
    const token = await this.#takeLease(key, ttlMs);
    this.#tokens.set(key, token);
    try {
      return await turn();
    } finally {
      if (this.#tokens.get(key) === token) this.#tokens.delete(key);
      const values = [toAsciiKey(key), token];
      // A lease that cannot be released ends by its time; the turn's outcome stands either way.
      await this.#link
        .write((session) => session.query(this.#statements.release, values))
        .catch(() => undefined);
    }
  }

  async #takeLease(key: string, ttlMs: number): Promise<string> {
    const token = randomUUID();
    const values = [toAsciiKey(key), token, ttlMs];
    const deadline = performance.now() + ttlMs;
    for (;;) {
      const taken = await this.#link.write((session) =>
        session.query(this.#statements.lease, values),
      );
      if (taken.length > 0) return token;
      if (performance.now() >= deadline) throw placeTaken(key, ttlMs);
      await sleep(LEASE_POLL_MS * (0.5 + Math.random()));
    }
  }
}

function keep(
  rows: readonly WriteRow[],
  answers: readonly WriteResult[],
  results: Map<WriteRow, WriteResult>,
): void {
  rows.forEach((row, index) => results.set(row, answers[index] ?? conflict(undefined)));
}

/**
 * A store in PostgreSQL 13 or later. Throws a `TypeError` for options that do not fit together and
 * a `RangeError` for numbers that are none; what is wrong with the server comes with the calls.
 */
export function postgresStore(options: PostgresStoreOptions): StateStore {
  const { url, pool, table = DEFAULT_TABLE, migrate = true, logger = console } = options;
  if ((url === undefined) === (pool === undefined))
    throw new TypeError("postgresStore needs either `url` or `pool`");
  const timeoutMs = positive("timeoutMs", options.timeoutMs, TIMEOUT_MS);
  const poolSize = positive("poolSize", options.poolSize, POOL_SIZE);
  const given = positive("maxStateBytes", options.maxStateBytes, STATE_BYTES_MAX);
  const settings = {
    names: { server: url === undefined ? "the PostgreSQL server" : serverName(url), table },
    tables: tablesOf(table),
    timeoutMs,
    migrate,
    maxStateBytes: Math.min(given, STATE_BYTES_MAX),
    logger,
  };
  return new PostgresStore(settings, new PostgresDriver({ url, pool, poolSize, timeoutMs }));
}

function positive(name: string, value: number | undefined, fallback: number): number {
  const number = durationOption(name, value, fallback);
  if (number > 0 && number <= MAX_TIMER_MS) return number;
  throw new RangeError(`${name} must be over 0 and at most ${MAX_TIMER_MS}, received ${number}`);
}

/** The server and database in messages: never the user, the password or the parameters. */
function serverName(url: string): string {
  // The driver would take other texts for a path; the text is not repeated, for it has a password.
  const parsed = /^postgres(?:ql)?:/.test(url) && URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined)
    throw new TypeError("url must be postgres://user:password@host:port/database");
  return `PostgreSQL at ${parsed.host || "the local socket"}${parsed.pathname}`;
}
