/**
 * Reports commits of other owners to watchers: found by a cursor, sooner after a notification.
 *
 * Each commit stamps its rows with its transaction's number. A look reads the rows stamped since
 * the oldest transaction that was still running at the last look, so the next look finds one that
 * commits late. A row that is found twice is reported once.
 *
 * A notification only starts the next look. It is sent after the commit, separately: PostgreSQL
 * serializes the commits of transactions that notify, each with its sync to disk. A lost
 * notification delays the report until the next regular look.
 *
 * Invariants
 *  F1  What another owner commits after `watch` resolved is reported, or `missed` is called.
 *  F2  Nothing here fails a commit or causes an unhandled rejection.
 */
import { performance } from "node:perf_hooks";
import { setTimeout, clearTimeout } from "node:timers";
import { StoreClosedError, StoreUnavailableError } from "../../../actors/errors.ts";
import type { Logger } from "../../../actors/protocol.ts";
import { fromAsciiKey } from "../shared/ascii-key.ts";
import { ChangesCursor } from "./changes-cursor.ts";
import type { PostgresConnection, PostgresListener } from "./connection.ts";
import type { PostgresCalls } from "./calls.ts";
import type { Statements } from "./sql.ts";
import { pauseMs } from "../shared/retry-until.ts";
import { type Watcher, Watchers } from "../shared/watchers.ts";

/** What `PostgresFeed` needs. */
export interface FeedSettings {
  readonly link: PostgresConnection;
  readonly calls: PostgresCalls;
  readonly statements: Statements;
  /** The channel, quoted. */
  readonly channel: string;
  /** Names this store object in operation ids and notifications. */
  readonly writer: string;
  readonly logger: Logger;
}

/** Time between looks when no notification comes; milliseconds. */
const LOOK_MS = 1_000;
/** The shortest time between notifications of one store object; milliseconds. */
const NOTIFY_MS = 5;
const PAUSES = { firstMs: 50, longestMs: 2_000 };

/** The watchers of one store object. */
export class PostgresFeed {
  readonly #settings: FeedSettings;
  readonly #watchers: Watchers;
  #listener: PostgresListener | undefined;
  #beginning: Promise<void> | undefined;
  /** Grows when the last watcher is removed, so that work still running for it stops. */
  #generation = 0;
  #isFollowing = false;
  #cursor = new ChangesCursor();
  #isWoken = false;
  #wake: (() => void) | undefined;
  #notifyTimer: NodeJS.Timeout | undefined;
  #isNotifyDue = false;

  constructor(settings: FeedSettings) {
    this.#settings = settings;
    const { logger } = settings;
    this.#watchers = new Watchers({ store: "postgres", logger, end: () => this.#end() });
  }

  /** Adds `watcher`; resolves to a function that removes it. */
  start(watcher: Watcher): Promise<() => Promise<void>> {
    return this.#watchers.add(watcher, async () => {
      const generation = this.#generation;
      await this.#begin();
      if (this.#isFollowing || generation !== this.#generation) return;
      this.#isFollowing = true;
      void this.#follow(generation);
    });
  }

  /** Notifies other owners of a commit, now or `NOTIFY_MS` later. */
  notify(): void {
    if (this.#notifyTimer !== undefined) {
      this.#isNotifyDue = true;
      return;
    }
    const { link, statements, writer } = this.#settings;
    this.#notifyTimer = setTimeout(() => {
      this.#notifyTimer = undefined;
      if (!this.#isNotifyDue) return;
      this.#isNotifyDue = false;
      this.notify();
    }, NOTIFY_MS);
    this.#notifyTimer.unref();
    const work = link.run(
      (session) => session.query(statements.tell, [writer]),
      performance.now() + LOOK_MS,
    );
    work.catch(() => undefined); // The regular looks find it.
  }

  /** Ends the connection; nothing is reported after it. */
  close(): void {
    this.#watchers.close();
    clearTimeout(this.#notifyTimer);
    this.#notifyTimer = undefined;
  }

  #end(): void {
    this.#generation += 1;
    this.#isFollowing = false;
    this.#beginning = undefined;
    this.#cursor = new ChangesCursor();
    this.#drop();
    this.#stir();
  }

  /** Starts to listen and reads the cursor; concurrent calls share it. */
  #begin(): Promise<void> {
    // With a cursor no change from here on is missed, whatever the state of the connection.
    if (this.#cursor.at !== null) return Promise.resolve();
    const generation = this.#generation;
    this.#beginning ??= this.#settings.calls
      .attempt(async () => {
        const listener = await this.#listen(generation);
        await this.#checkTables(listener);
        await this.#look(listener, generation);
      })
      .catch((error: unknown) => {
        if (generation === this.#generation) this.#drop();
        throw error;
      })
      .finally(() => {
        if (generation === this.#generation) this.#beginning = undefined;
      });
    return this.#beginning;
  }

  async #follow(generation: number): Promise<void> {
    let failures = 0;
    while (generation === this.#generation) {
      try {
        await this.#look(this.#listener ?? (await this.#listen(generation)), generation);
        failures = 0;
        await this.#rest(LOOK_MS, generation);
      } catch {
        if (generation !== this.#generation) return;
        this.#cursor.lose();
        this.#drop();
        // The end of the connection may have woken it; that is no reason to retry sooner.
        this.#isWoken = false;
        await this.#rest(pauseMs(failures, PAUSES), generation);
        failures += 1;
      }
    }
  }

  async #listen(generation: number): Promise<PostgresListener> {
    const { link, channel, writer } = this.#settings;
    let mine: PostgresListener | undefined;
    const listener = await link.listen(
      (payload) => {
        if (payload === writer) return;
        this.#erased(payload);
        this.#stir();
      },
      () => {
        if (mine === undefined || this.#listener !== mine) return;
        this.#listener = undefined;
        this.#cursor.lose();
        this.#stir();
      },
    );
    if (generation !== this.#generation) {
      listener.end();
      // Final, so that it is not retried: there is no watcher any more.
      throw new StoreClosedError("postgres");
    }
    this.#drop();
    mine = listener;
    this.#listener = listener;
    await listener.query({ text: `LISTEN ${channel}` });
    return listener;
  }

  /** The connection is not of the pool: it lacks the settings that the pool's owner makes. */
  async #checkTables(listener: PostgresListener): Promise<void> {
    const { link, statements } = this.#settings;
    const [here] = await listener.query(statements.table);
    const [there] = await link.run(
      (session) => session.query(statements.table),
      performance.now() + LOOK_MS,
    );
    if (here?.["oid"] === there?.["oid"]) return;
    throw new StoreUnavailableError(
      "the connection that listens finds other tables than those of the pool; name the schema in " +
        "the option `table`, or set the search_path in the pool's options, not when it connects",
    );
  }

  async #look(listener: PostgresListener, generation: number): Promise<void> {
    const { statements, writer } = this.#settings;
    this.#isWoken = false;
    const rows = await listener.query(statements.changes, [this.#cursor.at, writer]);
    if (generation !== this.#generation) return;
    const { changes, isMissed } = this.#cursor.read(rows);
    for (const [key, version] of changes) this.#watchers.changed(fromAsciiKey(key), version);
    if (isMissed) this.#watchers.missed();
  }

  /** A look cannot find an erased row by its transaction, so the notification names it. */
  #erased(payload: string): void {
    const erasure = readErasure(payload);
    if (erasure === undefined || erasure.writer === this.#settings.writer) return;
    this.#watchers.changed(fromAsciiKey(erasure.key), erasure.version);
  }

  #drop(): void {
    const listener = this.#listener;
    this.#listener = undefined;
    listener?.end();
  }

  /** Ends the present pause, or the next one. */
  #stir(): void {
    this.#isWoken = true;
    this.#wake?.();
  }

  async #rest(ms: number, generation: number): Promise<void> {
    if (this.#isWoken || generation !== this.#generation) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      timer.unref();
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = undefined;
  }
}

interface Erasure {
  readonly writer: string;
  readonly key: string;
  readonly version: number;
}

/** The payload of the statement `erase`; `undefined` for any other. */
function readErasure(payload: string): Erasure | undefined {
  if (!payload.startsWith("{")) return undefined;
  try {
    const { writer, key, version }: Partial<Erasure> = JSON.parse(payload);
    const isWhole =
      typeof writer === "string" && typeof key === "string" && typeof version === "number";
    return isWhole ? { writer, key, version } : undefined;
  } catch {
    return undefined;
  }
}
