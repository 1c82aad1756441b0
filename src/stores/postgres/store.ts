/**
 * A store in a PostgreSQL database, shared by any number of processes.
 *
 * A commit is one statement for up to a hundred records, each its own compare-and-set; an atomic
 * batch is one transaction. Exclusive sections are leases in rows, not advisory locks: those would
 * stay with a suspended process, need a connection each, and not fail the commits of a late owner.
 *
 * Invariants
 *  P1  Of a batch that fails nothing took effect, or the error is a `CommitUnknownError`.
 *  P2  An atomic batch of a process that was suspended locks its rows no longer than `timeoutMs`.
 *  P3  A commit inside a section carries its token, and takes effect only while the row has it.
 */
import { randomUUID } from "node:crypto";
import type { ExclusiveWait } from "../../../actors/protocol.ts";
import { hostClock } from "../../../actors/time/clock.ts";
import { toAsciiKey } from "../shared/ascii-key.ts";
import { createGate } from "../shared/closable.ts";
import { LargeKeys } from "../shared/large-records.ts";
import { LIST_STATEMENTS, listPages, type PageRange } from "../shared/key-pages.ts";
import { PostgresConnection } from "./connection.ts";
import { PostgresFeed } from "./changes.ts";
import { pruneParameters, pruneRows, queryParameters, readHistory } from "./history.ts";
import { PostgresLeases } from "./leases.ts";
import { PostgresCalls } from "./calls.ts";
import { CheckAnswers, type CheckRow, checksOfGroups } from "./checks.ts";
import { type PostgresSettings, type PostgresStoreOptions, readOptions } from "./options.ts";
import { RecordReader } from "./reader.ts";
import { failureOf, GROUP_MAX, groupsOf, orderedWavesOf, type WriteRow } from "./rows.ts";
import { type Statements, statementsOf } from "./sql.ts";
import { PostgresWriter } from "./writer.ts";
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
import type { Section } from "../shared/exclusive-lease.ts";
import { checkWrites, conflict, isAllOk } from "../shared/writes.ts";

/** The most rows that are removed in one batch of a sweep. */
const SWEPT_AT_ONCE = 500;

class PostgresStore implements StateStore {
  readonly name = "postgres";
  readonly supports: StoreSupports = {
    ...EVERY_STORE,
    durable: true,
    transactions: true,
    watch: true,
    shared: true,
    checks: true,
  };
  readonly tombstoneMs: number;
  readonly #link: PostgresConnection;
  readonly #calls: PostgresCalls;
  readonly #feed: PostgresFeed;
  readonly #statements: Statements;
  readonly #writer: PostgresWriter;
  readonly #closable = createGate("postgres");
  readonly #leases: PostgresLeases;
  readonly #id: string;
  readonly #server: string;
  readonly #tombstones: TombstoneRule;
  readonly #sweeper: Sweeper;

  constructor(settings: PostgresSettings) {
    const link = new PostgresConnection(settings);
    const { names, tables, maxStateBytes, logger } = settings;
    // Half of a UUID is unique enough, and each row contains it several times.
    const writer = randomUUID().replaceAll("-", "").slice(16);
    this.#link = link;
    this.#id = writer;
    this.#server = names.server;
    this.tombstoneMs = settings.tombstoneMs;
    this.#tombstones = { tombstoneMs: this.tombstoneMs, leastMs: settings.timeoutMs + REPEATED_MS };
    const sweep = (): Promise<number> => this.#closable.run(() => this.#sweep());
    this.#sweeper = new Sweeper({ clock: hostClock, sweep, isShared: true });
    this.#statements = statementsOf(tables);
    this.#calls = new PostgresCalls(settings, link);
    this.#leases = new PostgresLeases(this.#calls, this.#statements);
    this.#writer = new PostgresWriter({
      statements: this.#statements,
      reader: new RecordReader(names.server),
      large: new LargeKeys(),
      writer,
      maxStateBytes,
      tombstones: this.#tombstones,
      leaseOf: (key) => this.#leases.tokenOf(key),
    });
    this.#feed = new PostgresFeed({
      link,
      calls: this.#calls,
      statements: this.#statements,
      channel: tables.channel,
      writer,
      logger,
    });
  }

  load(keys: readonly string[]): Promise<(StoredRecord | undefined)[]> {
    this.#sweeper.used();
    return this.#closable.run(async () => {
      const encoded = keys.map((key) => toAsciiKey(key));
      const records: (StoredRecord | undefined)[] = [];
      for (let at = 0; at < encoded.length; at += GROUP_MAX) {
        const part = encoded.slice(at, at + GROUP_MAX);
        records.push(...(await this.#calls.read((session) => this.#writer.load(session, part))));
      }
      return records;
    });
  }

  commit(
    writes: readonly ScopeWrite[],
    { atomic = false, checks = [] }: CommitOptions = {},
  ): Promise<WriteResult[]> {
    return this.#closable.run(async () => {
      checkWrites(writes, checks);
      const suspects = this.#writer.suspectsOf([...writes, ...checks]);
      if (suspects.length > 0)
        await this.#calls.read((session) => this.#writer.load(session, suspects));
      const answers = new CheckAnswers(checks, atomic);
      const rows = this.#writer.prepare(writes, answers.rows);
      const results = new Map<WriteRow, WriteResult>();
      if (rows.length === 0) await this.#check(answers, answers.rows);
      else if (atomic) await this.#commitTogether(rows, results, answers);
      else await this.#commitEach(rows, results, answers);
      const written = rows.map((row) => results.get(row) ?? conflict(undefined));
      if (written.some(({ ok }) => ok)) this.#feed.notify();
      this.#sweeper.leaves(hostClock.now() + firstForgetMs(writes, this.#tombstones));
      this.#sweeper.used();
      return [...written, ...answers.results];
    });
  }

  list(query: ListQuery = {}): AsyncIterable<string> {
    const page = async ({ from, side, end, count }: PageRange): Promise<string[]> => {
      const statement = this.#statements[LIST_STATEMENTS[side]];
      const rows = await this.#calls.read((session) =>
        session.query(statement, [from, end, count]),
      );
      return rows.map(({ key }) => String(key));
    };
    return listPages(query, { gate: this.#closable, page });
  }

  exclusive<T>(key: string, ttlMs: number, section: Section<T>, wait?: ExclusiveWait): Promise<T> {
    return this.#closable.run(() => this.#leases.run(key, ttlMs, section, wait));
  }

  watch(
    changed: (key: string, version: number) => void,
    missed?: () => void,
  ): Promise<() => Promise<void>> {
    return this.#closable.runUntilClosed(() => this.#feed.start({ changed, missed }));
  }

  erase(keys: readonly string[]): Promise<boolean[]> {
    return this.#closable.run(async () => {
      const encoded = keys.map((key) => toAsciiKey(key));
      const { erase, eraseRest } = this.#statements;
      const erased = new Set<unknown>();
      await this.#calls.transaction(async (session) => {
        const values = [encoded, this.#id, session.patience()];
        for (const { key, version } of await session.query(erase, values))
          if (Number(version) > 0) erased.add(key);
        await session.query(eraseRest, [encoded]);
        return true;
      });
      return encoded.map((key) => erased.has(key)); // The row of a lease alone has version 0.
    });
  }

  history(key: string, query: HistoryQuery = {}): Promise<HistoryRow[]> {
    return this.#closable.run(async () => {
      const { historyUp, historyDown } = this.#statements;
      const statement = query.oldestFirst === true ? historyUp : historyDown;
      const values = queryParameters(toAsciiKey(key), query);
      const rows = await this.#calls.read((session) => session.query(statement, values));
      return readHistory(rows, `${this.#server}, key ${JSON.stringify(key)}`);
    });
  }

  pruneHistory(key: string, keep: HistoryKeep): Promise<number> {
    const values = pruneParameters(toAsciiKey(key), keep);
    return this.#closable.run(() => pruneRows(this.#calls, this.#statements.pruneHistory, values));
  }

  close(): Promise<void> {
    this.#sweeper.stop();
    return this.#closable.close(() => {
      this.#feed.close();
      return this.#link.close();
    });
  }

  async #sweep(): Promise<number> {
    const [row] = await this.#calls.write((session) =>
      session.query(this.#statements.sweep, [SWEPT_AT_ONCE]),
    );
    if (Number(row?.["count"]) >= SWEPT_AT_ONCE) return -Infinity;
    return hostClock.now() + Number(row?.["next_ms"] ?? Infinity);
  }

  async #check(answers: CheckAnswers, checks: readonly CheckRow[]): Promise<void> {
    if (checks.length > 0)
      await this.#calls.read((session) => this.#writer.check(session, { checks, answers }));
  }

  async #commitEach(
    rows: readonly WriteRow[],
    results: Map<WriteRow, WriteResult>,
    answers: CheckAnswers,
  ): Promise<void> {
    const written = new Set(rows.map(({ key }) => key));
    // They see the record as it was before the batch, also when a statement is retried.
    await this.#check(
      answers,
      answers.rows.filter(({ key }) => written.has(key)),
    );
    for (const wave of orderedWavesOf(rows)) {
      const groups = groupsOf(wave);
      const parts = checksOfGroups(groups, answers.open(answers.rows));
      const sent = await Promise.allSettled(
        groups.map((group, at) =>
          this.#calls.write((session, isRepeat) => {
            const attempt = { results, isRepeat, checks: parts[at] ?? [], answers };
            return this.#writer.send(session, group, attempt);
          }),
        ),
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
    answers: CheckAnswers,
  ): Promise<void> {
    const groups = orderedWavesOf(rows).flatMap((wave) => groupsOf(wave));
    const parts = checksOfGroups(groups, answers.rows);
    const isDone = await this.#calls.transaction(async (session, isRepeat) => {
      results.clear();
      answers.clear();
      for (const [at, group] of groups.entries()) {
        const attempt = { results, isRepeat, checks: parts[at] ?? [], answers };
        await this.#writer.send(session, group, attempt);
      }
      if (answers.placeholders.size > 0)
        await session.query(this.#statements.drop, [[...answers.placeholders]]);
      return isAllOk([...results.values(), ...answers.results]);
    });
    if (isDone) return;
    const all = [...rows, ...answers.rows].map(({ key }) => key);
    const current = await this.#calls.read((session) => this.#writer.load(session, all));
    rows.forEach((row, index) => results.set(row, conflict(current[index])));
    answers.rows.forEach((check, at) => answers.answer(check, current[rows.length + at]));
  }
}

/**
 * A store in PostgreSQL 13 or later. Throws a `TypeError` for options that do not fit together and
 * a `RangeError` for invalid numbers; errors of the server reject the calls.
 */
export function postgresStore(options: PostgresStoreOptions): StateStore {
  return new PostgresStore(readOptions(options));
}
