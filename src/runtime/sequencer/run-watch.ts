/**
 * Readers of the events of runs: of those that execute here, as their records are stored, and of
 * those that execute elsewhere, by the reports of the store.
 *
 * Invariants
 *  W1  A reader sees the records of its run in the order of their versions, none twice, and derives
 *      the events when they are read. It keeps at most `RECORDS_MAX` unread records: of a slow
 *      reader the oldest is dropped, and the next one has the steps of both.
 *  W2  A record is read again when the store reports a change of it or may have lost reports; where
 *      a store that others use cannot report, every `POLL_MS`.
 *  W3  A reader ends after the event of the end of its run, with its runtime, by its signal and by
 *      `return`. Then nothing of it is kept. A failed run that is being continued has not ended.
 */
import { isHoldfastError, RunNotFoundError } from "../../../actors/errors.ts";
import { checkSignal, refuseUnknown } from "../../../actors/scope/options.ts";
import { Reader } from "../../../actors/scope/reader.ts";
import { isWatchable } from "../replication/remote-changes.ts";
import type { ScopeHost } from "../scope-host.ts";
import { isShared } from "../store-users.ts";
import { eventsBetween, isEnded, type RunEvent } from "./run-events.ts";
import type { RunLogs } from "./run-logs.ts";
import type { StoredRun } from "./run-record.ts";

/** Most unread records of one reader. */
const RECORDS_MAX = 100;
/** Milliseconds between two reads of a run whose store cannot report, or could not be read. */
const POLL_MS = 1_000;

/** Options of `watchRun`, and of `events` of a run. */
export interface WatchOptions {
  /** Ends the events without an error. */
  readonly signal?: AbortSignal | undefined;
}

/** Which events a reader yields. */
interface ReaderParts {
  readonly runId: string;
  /** False: of a run that has ended, only its end. */
  readonly whole: boolean;
  readonly ended: (reader: RunReader) => void;
}

/** The events of one run, for one reader; see the head of this file. */
class RunReader extends Reader<RunEvent> {
  readonly runId: string;
  /** False while the run is being started: an end that is stored by then is one of before. */
  hasBegun = true;
  readonly #parts: ReaderParts;
  /** The record before the unread ones; `null` before the first. */
  #last: StoredRun | null = null;
  #version = 0;
  #unread: StoredRun[] = [];
  #events: RunEvent[] = [];
  #failure: { readonly error: unknown } | null = null;

  constructor(parts: ReaderParts, signal: AbortSignal | undefined) {
    super();
    this.runId = parts.runId;
    this.#parts = parts;
    this.stops.push(() => parts.ended(this));
    this.closeOn(signal);
  }

  protected override take(): RunEvent | undefined {
    const event = this.#events.shift() ?? this.#derive();
    const failure = this.#failure;
    if (event !== undefined || failure === null) return event;
    this.#failure = null;
    throw failure.error;
  }

  protected override drop(): void {
    this.#unread = [];
    this.#events = [];
  }

  /** A record of the run is stored (W1). */
  see(version: number, record: StoredRun): void {
    if (this.done || version <= this.#version || (!this.hasBegun && isEnded(record))) return;
    this.#version = version;
    const before = this.#unread.at(-1) ?? this.#last;
    // A renewed lease, for example, is no event.
    if (before !== null && eventsBetween(before, record).length === 0) {
      if (this.#unread.length === 0) this.#last = record;
      else this.#unread[this.#unread.length - 1] = record;
      return;
    }
    this.#unread.push(record);
    if (this.#unread.length > RECORDS_MAX) this.#unread.shift();
    if (isEnded(record)) this.end();
    else this.rouse();
  }

  /** No further record is seen; what is unread can still be read, then the failure. */
  override end(failure: { readonly error: unknown } | null = null): void {
    if (!this.done) this.#failure = failure;
    super.end();
  }

  #derive(): RunEvent | undefined {
    const record = this.#unread.shift();
    if (record === undefined) return undefined;
    const events = eventsBetween(this.#last, record);
    const isOver = this.#last === null && !this.#parts.whole && isEnded(record);
    this.#events = isOver ? events.slice(-1) : events;
    this.#last = record;
    return this.#events.shift();
  }
}

/** The readers of one runtime; see the head of this file. */
export class RunWatch {
  readonly #home: ScopeHost;
  readonly #logs: RunLogs;
  readonly #prefix: string;
  readonly #readers = new Map<string, Set<RunReader>>();
  #polls = false;
  #closed = false;

  constructor(home: ScopeHost, logs: RunLogs) {
    this.#home = home;
    this.#logs = logs;
    this.#prefix = home.key("sequencer", "");
    logs.stored.add((version, record) => this.#stored(version, record));
    home.reports.add((key) => this.#reported(key));
  }

  /** The events of a known run. */
  watch(runId: string, options: WatchOptions): AsyncIterableIterator<RunEvent> {
    const reader = this.#reader(runId, false, options);
    void this.#read(reader, () => reader.end({ error: new RunNotFoundError(runId) }));
    return reader;
  }

  /** The events of a run that is being started, which `begun` ends; none if nothing was begun. */
  events(
    runId: string,
    begun: Promise<unknown>,
    options: WatchOptions,
  ): AsyncIterableIterator<RunEvent> {
    const reader = this.#reader(runId, true, options);
    reader.hasBegun = false;
    void begun.then(() => {
      reader.hasBegun = true;
      return this.#read(reader, () => reader.end());
    });
    return reader;
  }

  /** Ends all readers. */
  close(): void {
    this.#closed = true;
    for (const readers of this.#readers.values()) for (const reader of readers) reader.end();
  }

  #reader(runId: string, whole: boolean, options: WatchOptions): RunReader {
    refuseUnknown("the events of a run", options, ["signal"]);
    checkSignal(options.signal);
    const ended = (reader: RunReader): void => {
      const readers = this.#readers.get(runId);
      readers?.delete(reader);
      if (readers?.size === 0) this.#readers.delete(runId);
    };
    const reader = new RunReader({ runId, whole, ended }, options.signal);
    if (this.#closed) reader.end();
    if (reader.done) return reader;
    this.#readers.set(runId, (this.#readers.get(runId) ?? new Set()).add(reader));
    this.#home.watch();
    this.#poll();
    return reader;
  }

  #stored(version: number, record: StoredRun): void {
    const readers = this.#readers.get(record.runId);
    if (readers !== undefined) for (const reader of readers) reader.see(version, record);
  }

  /** Another owner changed a record; `null`: reports may have been lost. */
  #reported(key: string | null): void {
    for (const [runId, readers] of this.#readers)
      if (key === null || key === this.#prefix + runId)
        for (const reader of readers) void this.#read(reader);
  }

  /** Reads the record for a reader; calls `missing` when there is none. */
  async #read(reader: RunReader, missing: () => void = () => undefined): Promise<void> {
    if (reader.done) return;
    try {
      const log = await this.#logs.look(reader.runId);
      if (log.exists) reader.see(log.version, log.record);
      else missing();
    } catch (error) {
      if (!isHoldfastError(error, "STORE_UNAVAILABLE")) reader.end({ error });
      else this.#home.wheel.schedule(POLL_MS, () => this.#read(reader, missing));
    }
  }

  /** Reads all runs again and again where no report comes (W2). */
  #poll(): void {
    const { store, durability } = this.#home.kind("sequencer");
    if (this.#polls || isWatchable(store) || durability === "volatile") return;
    this.#polls = true;
    this.#home.wheel.schedule(POLL_MS, () => {
      this.#polls = false;
      if (this.#readers.size === 0) return;
      if (isShared(store)) this.#reported(null);
      this.#poll();
    });
  }
}
