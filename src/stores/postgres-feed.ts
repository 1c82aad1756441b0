/**
 * Commits of other owners, for who watches: found by a cursor, hurried by notifications.
 *
 * Each commit stamps its rows with its transaction's number. A look reads the rows stamped since
 * the oldest transaction that was still running at the look before, so one that commits late is
 * found by the next. What is found twice is reported once.
 *
 * A notification only says that it is time to look. It is sent after the commit, apart from it:
 * PostgreSQL lets transactions that notify end one by one, each with its sync to disk. One that is
 * lost costs the time until the next regular look.
 *
 * Invariants
 *  F1  What another owner commits after `watch` resolved is reported, also over lost connections,
 *      or `missed` is called.
 *  F2  Nothing here fails a commit or rejects unheard.
 */
import type { Logger } from "../../actors/protocol.ts";
import { fromAsciiKey } from "./ascii-key.ts";
import type { PostgresDriver, PostgresListener, PostgresRow } from "./postgres-driver.ts";
import type { PostgresLink } from "./postgres-link.ts";
import { CHANGES_MAX, type Statements } from "./postgres-sql.ts";
import { pauseMs } from "./repeat.ts";

/** What a feed needs. */
export interface FeedSettings {
  readonly driver: PostgresDriver;
  readonly link: PostgresLink;
  readonly statements: Statements;
  /** The channel, quoted. */
  readonly channel: string;
  /** Names this store object in operation ids and notifications. */
  readonly writer: string;
  readonly logger: Logger;
}

interface Watcher {
  readonly changed: (key: string, version: number) => void;
  readonly missed: (() => void) | undefined;
}

/** Time between looks when no notification comes. */
const LOOK_MS = 1_000;
/** Notifications of one store object are at least so far apart. */
const TELL_MS = 5;
const PAUSES = { firstMs: 50, longestMs: 2_000 };

/** The feed of one store object. */
export class PostgresFeed {
  readonly #settings: FeedSettings;
  readonly #watchers = new Set<Watcher>();
  #listener: PostgresListener | undefined;
  #beginning: Promise<void> | undefined;
  #isFollowing = false;
  /** A number of a transaction; `undefined` until the first look. */
  #cursor: string | undefined;
  /** What the last look found and the next may find again. */
  #seen: ReadonlyMap<string, number> = new Map();
  #isWoken = false;
  #wake: (() => void) | undefined;
  #telling: NodeJS.Timeout | undefined;
  #isToldLate = false;

  constructor(settings: FeedSettings) {
    this.#settings = settings;
  }

  /** Reports to `changed` until the function it gives is called. */
  async watch(changed: Watcher["changed"], missed?: () => void): Promise<() => Promise<void>> {
    await this.#begin();
    const watcher: Watcher = { changed, missed };
    this.#watchers.add(watcher);
    if (!this.#isFollowing) {
      this.#isFollowing = true;
      void this.#follow();
    }
    return async () => {
      this.#watchers.delete(watcher);
      if (this.#watchers.size === 0) this.close();
    };
  }

  /** Says to other owners that something was committed, now or a moment later. */
  tell(): void {
    if (this.#telling !== undefined) {
      this.#isToldLate = true;
      return;
    }
    const { driver, statements, writer } = this.#settings;
    this.#telling = setTimeout(() => {
      this.#telling = undefined;
      if (!this.#isToldLate) return;
      this.#isToldLate = false;
      this.tell();
    }, TELL_MS);
    this.#telling.unref();
    const work = driver.run(
      (session) => session.query(statements.tell, [writer]),
      performance.now() + LOOK_MS,
    );
    work.catch(() => undefined); // The regular looks find it.
  }

  /** Ends the connection; nothing is reported after it. */
  close(): void {
    this.#watchers.clear();
    this.#drop();
    this.#cursor = undefined;
    clearTimeout(this.#telling);
    this.#telling = undefined;
    this.#stir();
  }

  /** Listens and takes the cursor; several that begin at once share it. */
  #begin(): Promise<void> {
    // With a cursor nothing from here on is missed, whatever the connection is doing.
    if (this.#cursor !== undefined) return Promise.resolve();
    this.#beginning ??= this.#settings.link
      .attempt(async () => this.#look(await this.#listen()))
      .finally(() => {
        this.#beginning = undefined;
      });
    return this.#beginning;
  }

  async #follow(): Promise<void> {
    let failures = 0;
    while (this.#watchers.size > 0) {
      try {
        await this.#look(this.#listener ?? (await this.#listen()));
        failures = 0;
        await this.#rest(LOOK_MS);
      } catch {
        this.#drop();
        await this.#rest(pauseMs(failures, PAUSES));
        failures += 1;
      }
    }
    this.#isFollowing = false;
    this.#drop();
  }

  async #listen(): Promise<PostgresListener> {
    const { driver, channel, writer } = this.#settings;
    let mine: PostgresListener | undefined;
    const listener = await driver.listen(
      (payload) => {
        if (payload !== writer) this.#stir();
      },
      () => {
        if (mine === undefined || this.#listener !== mine) return;
        this.#listener = undefined;
        this.#stir();
      },
    );
    this.#drop();
    mine = listener;
    this.#listener = listener;
    try {
      await listener.query({ text: `LISTEN ${channel}` });
      return listener;
    } catch (error) {
      this.#drop();
      throw error;
    }
  }

  async #look(listener: PostgresListener): Promise<void> {
    const { statements, writer } = this.#settings;
    this.#isWoken = false;
    const cursor = this.#cursor ?? null;
    const rows = await listener.query(statements.changes, [cursor, writer]);
    const next = String(rows[0]?.["next"]);
    const changes = changesIn(rows);
    const isFirst = cursor === null;
    // A cursor ahead of the server's numbers is one of another server, put in its place.
    const isLost = !isFirst && (rows.length > CHANGES_MAX || BigInt(next) < BigInt(cursor));
    if (isLost) this.#report((watcher) => watcher.missed?.());
    else if (!isFirst)
      for (const [key, version] of changes)
        if ((this.#seen.get(key) ?? 0) < version)
          this.#report((watcher) => watcher.changed(fromAsciiKey(key), version));
    this.#seen = changes;
    this.#cursor = next;
  }

  #report(tell: (watcher: Watcher) => void): void {
    for (const watcher of this.#watchers) {
      try {
        tell(watcher);
      } catch (error) {
        const name = error instanceof Error ? error.name : typeof error;
        this.#settings.logger.error("a watcher of the postgres store threw", { error: name });
      }
    }
  }

  #drop(): void {
    const listener = this.#listener;
    this.#listener = undefined;
    listener?.end();
  }

  /** Ends the present rest, or the next one. */
  #stir(): void {
    this.#isWoken = true;
    this.#wake?.();
  }

  async #rest(ms: number): Promise<void> {
    if (this.#isWoken) return;
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

/** Versions by encoded key. */
function changesIn(rows: readonly PostgresRow[]): ReadonlyMap<string, number> {
  return new Map(
    rows.flatMap(({ key, version }) => (typeof key === "string" ? [[key, Number(version)]] : [])),
  );
}
