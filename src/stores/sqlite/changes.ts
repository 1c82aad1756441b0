/**
 * Tells watchers what other connections commit to the file, by looking at it every few
 * milliseconds.
 *
 * Invariants
 *  F1  `start` resolves when the watcher is registered: what is committed from then on is reported.
 *  F2  Nothing looks at the file without a watcher, and no timer keeps the process alive.
 *  F3  What a load or a refused commit has found was reported before its caller receives it: a
 *      record that was erased is never found missing without its report.
 *  F4  After a time in which the file could not be read, or in which the registration ran out,
 *      each watcher is notified that some may be missing.
 */
import { setInterval, clearInterval } from "node:timers";
import type { Logger } from "../../../actors/protocol.ts";
import { isError } from "../../../actors/realm.ts";
import { safeCall } from "../../../actors/scope/safe-call.ts";
import type { ChangePosition, ChangeReport } from "./change-notes.ts";
import { isBusy } from "./driver.ts";

/** Milliseconds between two looks at the file. */
export const POLL_MS = 25;
/** For so long a process that was killed counts as a watcher. */
const WATCHER_TTL_MS = 600_000;

/** Who is notified. */
export interface Watcher {
  readonly changed: (key: string, version: number) => void;
  readonly missed: (() => void) | undefined;
}

/** What a feed does with the file. */
export interface FeedPort {
  /** Registers the watcher; waits while other connections hold the file. */
  readonly begin: (now: number, until: number) => Promise<ChangePosition>;
  /** Registers it for longer; throws when the file is held. */
  readonly renew: (until: number) => void;
  readonly since: (from: ChangePosition) => ChangeReport | undefined;
  /** Takes the registration back, if that can be done. Never throws. */
  readonly end: () => void;
  readonly logger: Logger;
}

/** The watchers of one store object; see the head of this file. */
export class SqliteFeed {
  readonly #port: FeedPort;
  readonly #watchers = new Set<Watcher>();
  #begun: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #position: ChangePosition | undefined;
  #until = 0;
  #isBehind = false;
  /** Grows at each end, so that a beginning under way lets go. */
  #generation = 0;

  constructor(port: FeedPort) {
    this.#port = port;
  }

  /** Begins to notify `watcher`; resolves to the way to stop. */
  async start(watcher: Watcher): Promise<() => Promise<void>> {
    this.#watchers.add(watcher);
    try {
      this.#begun ??= this.#begin(this.#generation);
      await this.#begun;
    } catch (error) {
      this.#begun = undefined;
      this.#remove(watcher);
      throw error;
    }
    return async () => this.#remove(watcher);
  }

  /** Reports at once what was committed before now, if anything watches. */
  look(): void {
    if (this.#position !== undefined) this.#position = this.#look(this.#position);
  }

  /** Stops everything; no watcher is notified after it. */
  close(): void {
    this.#watchers.clear();
    this.#end();
  }

  #remove(watcher: Watcher): void {
    if (this.#watchers.delete(watcher) && this.#watchers.size === 0) this.#end();
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

  /** One look at the file; gives the position from which the next one goes on. */
  #look(position: ChangePosition): ChangePosition {
    try {
      this.#stayRegistered();
      const report = this.#port.since(position);
      const missed = this.#isBehind || report?.missed === true;
      this.#isBehind = false;
      this.#tell(report?.changes ?? [], missed);
      return report?.position ?? position;
    } catch (error) {
      // A writer holds the file: the next look finds what this one did not. Whatever else is wrong,
      // the calls of the store report it.
      if (!isBusy(error)) this.#isBehind = true;
      return position;
    }
  }

  #stayRegistered(): void {
    const now = Date.now();
    const left = this.#until - now;
    if (left > WATCHER_TTL_MS / 2) return;
    // The process stood still, or the file was held for long: commits may be without a note.
    if (left <= 0) this.#isBehind = true;
    this.#port.renew(now + WATCHER_TTL_MS);
    this.#until = now + WATCHER_TTL_MS;
  }

  #tell(changes: ChangeReport["changes"], missed: boolean): void {
    for (const watcher of this.#watchers) {
      for (const [key, version] of changes) this.#call(() => watcher.changed(key, version));
      if (missed) this.#call(() => watcher.missed?.());
    }
  }

  #call(tell: () => unknown): void {
    safeCall(tell, (error) => {
      const reason = isError(error) ? error.name : typeof error;
      this.#port.logger.error("a watcher of the sqlite store threw", { reason });
    });
  }
}
