/**
 * Notifies watchers of what other connections commit to the file, by polling it every few
 * milliseconds.
 *
 * Invariants
 *  F1  `start` resolves when the watcher is registered: commits from then on are reported.
 *  F2  Nothing polls the file without a watcher, and no timer keeps the process alive.
 *  F3  What a load or a refused commit has found was reported before its caller receives it: a
 *      record that was erased is never found missing without its report.
 *  F4  After a time in which the file could not be read, or in which the registration expired, each
 *      watcher is notified that some may be missing.
 */
import { setInterval, clearInterval } from "node:timers";
import type { Logger } from "../../../actors/protocol.ts";
import { type Watcher, Watchers } from "../shared/watchers.ts";
import type { ChangePosition, ChangeReport } from "./change-notes.ts";
import { isBusy } from "./driver.ts";

/** Milliseconds between two polls of the file. */
export const POLL_MS = 25;
/** How long a process that was killed counts as a watcher; milliseconds. */
const WATCHER_TTL_MS = 600_000;

/** What `SqliteFeed` does with the file. */
export interface FeedPort {
  /** Registers the watcher; waits while other connections lock the file. */
  readonly begin: (now: number, until: number) => Promise<ChangePosition>;
  /** Extends the registration; throws when the file is locked. */
  readonly renew: (until: number) => void;
  readonly since: (from: ChangePosition) => ChangeReport | undefined;
  /** Removes the registration, if possible. Never throws. */
  readonly end: () => void;
  readonly logger: Logger;
}

/** The watchers of one store object; see the header of this file. */
export class SqliteFeed {
  readonly #port: FeedPort;
  readonly #watchers: Watchers;
  #begun: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #position: ChangePosition | undefined;
  #until = 0;
  #isBehind = false;
  /** Grows at each end, so that a running start stops. */
  #generation = 0;

  constructor(port: FeedPort) {
    this.#port = port;
    const { logger } = port;
    this.#watchers = new Watchers({ store: "sqlite", logger, end: () => this.#end() });
  }

  /** Adds `watcher`; resolves to a function that removes it. */
  start(watcher: Watcher): Promise<() => Promise<void>> {
    return this.#watchers.add(watcher, async () => {
      try {
        await (this.#begun ??= this.#begin(this.#generation));
      } catch (error) {
        this.#begun = undefined;
        throw error;
      }
    });
  }

  /** Reports at once what was committed before now, if anything watches. */
  look(): void {
    if (this.#position !== undefined) this.#position = this.#look(this.#position);
  }

  /** Stops all polling; no watcher is notified after it. */
  close(): void {
    this.#watchers.close();
  }

  #end(): void {
    if (this.#begun === undefined) return;
    this.#generation += 1;
    this.#begun = undefined;
    this.#position = undefined;
    clearInterval(this.#timer);
    this.#port.end();
  }

  async #begin(generation: number): Promise<void> {
    const now = Date.now();
    const until = now + WATCHER_TTL_MS;
    const position = await this.#port.begin(now, until);
    if (generation !== this.#generation) return;
    this.#position = position;
    this.#until = until;
    this.#isBehind = false;
    this.#timer = setInterval(() => this.look(), POLL_MS);
    this.#timer.unref();
  }

  /** Polls once; returns the position from which the next poll continues. */
  #look(position: ChangePosition): ChangePosition {
    try {
      this.#stayRegistered();
      const report = this.#port.since(position);
      const missed = this.#isBehind || report?.missed === true;
      this.#isBehind = false;
      for (const [key, version] of report?.changes ?? []) this.#watchers.changed(key, version);
      if (missed) this.#watchers.missed();
      return report?.position ?? position;
    } catch (error) {
      // A writer locks the file: the next poll finds what this one did not. Any other error is
      // reported by the calls of the store.
      if (!isBusy(error)) this.#isBehind = true;
      return position;
    }
  }

  #stayRegistered(): void {
    const now = Date.now();
    const left = this.#until - now;
    if (left > WATCHER_TTL_MS / 2) return;
    // The process was suspended, or the file was locked for long: commits may be without a note.
    if (left <= 0) this.#isBehind = true;
    this.#port.renew(now + WATCHER_TTL_MS);
    this.#until = now + WATCHER_TTL_MS;
  }
}
