/**
 * What other owners of a store commit, brought to a runtime: scopes in memory go there, and whoever
 * listens to the whole runtime hears of the others too.
 *
 * A store only says which record has which version (`watch`). The version is the cursor: a scope
 * that is behind reads the record, so that it does not matter whether a report came twice, late or
 * not at all, as long as the store says when reports may have been lost.
 *
 *     idle ──first scope or listener──▶ beginning ──watching──▶ live
 *                                         ▲   │ could not begin
 *                                         └───┘ after 1 s, then 2, 4 … 30
 *
 * Invariants
 *  N1  A scope in memory that is older than a report reads the store before its next mutation.
 *  N2  Whatever was in memory while nothing was watched, or when reports may have been lost, reads
 *      the store as if it had been reported.
 *  N3  Watching fails no call: without it everything is as with a store that cannot be watched.
 *  N4  At most `UNHELD_MAX` records that are not in memory are being read for listeners.
 */
import type { Logger } from "../../actors/protocol.ts";
import type { TimerWheel } from "../../actors/idle.ts";
import type { StateStore } from "../stores/store.ts";

/** Records not in memory that are read for listeners at the same time. */
const UNHELD_MAX = 10_000;
/** The first scope waits so long for the watching to begin; without it, it would read twice. */
const FIRST_WAIT_MS = 1_000;
const FIRST_RETRY_MS = 1_000;
const RETRY_MAX_MS = 30_000;

/** A scope in memory. */
export interface HeldScope {
  /** Another owner committed `version`; `Infinity`: commits may have gone unheard. */
  heard(version: number): void;
}

/** What a feed asks of the runtime it works for. */
export interface FeedHome {
  readonly wheel: TimerWheel;
  readonly logger: Logger;
  /** The scope of a key, if it is in memory. */
  find(key: string): HeldScope | undefined;
  /** All scopes of the store in memory. */
  held(store: StateStore): Iterable<HeldScope>;
  /** Somebody listens to the whole runtime. */
  readonly listening: boolean;
  /**
   * Reads a record that is not in memory and announces it, unless the key is no scope's; resolves
   * to the version that was read.
   */
  announceUnheld(key: string): Promise<number>;
}

/** True for a store that reports what others commit. */
export function isWatchable(store: StateStore): boolean {
  return store.supports.watch && store.watch !== undefined;
}

/** The reports of one store; see the head of this file. */
export class RemoteFeed {
  readonly #store: StateStore;
  readonly #home: FeedHome;
  #beginning: Promise<void> | null = null;
  #begun = false;
  #retries = 0;
  #stop: (() => Promise<void>) | null = null;
  #stopped = false;
  readonly #unheld = new Map<string, { version: number }>();

  constructor(store: StateStore, home: FeedHome) {
    this.#store = store;
    this.#home = home;
  }

  /** Nobody has to wait for `begin` any more. */
  get begun(): boolean {
    return this.#begun;
  }

  /** Begins to watch, once; resolves when that is so, could not be, or takes longer than it may. */
  begin(): Promise<void> {
    this.#beginning ??= this.#beginInTime().then(() => {
      this.#begun = true;
    });
    return this.#beginning;
  }

  /** Stops watching; reports that come later go nowhere. */
  async stop(): Promise<void> {
    this.#stopped = true;
    // A store that cannot stop it ends it when it is closed.
    await this.#stop?.().catch(() => undefined);
  }

  #beginInTime(): Promise<void> {
    return new Promise((resolve) => {
      const inTime = this.#home.wheel.schedule(FIRST_WAIT_MS, resolve);
      const done = (): void => {
        this.#home.wheel.cancel(inTime);
        resolve();
      };
      void this.#watch().then(done);
    });
  }

  async #watch(): Promise<void> {
    try {
      const stop = await this.#store.watch?.(
        (key, version) => this.#changed(key, version),
        () => this.#missed(),
      );
      this.#stop = stop ?? null;
      if (this.#stopped) return await stop?.();
      this.#missed(); // Who came while nothing was watched; at the first time hardly anybody.
    } catch (error) {
      this.#retry(error);
    }
  }

  #retry(error: unknown): void {
    if (this.#stopped) return;
    const delayMs = Math.min(RETRY_MAX_MS, FIRST_RETRY_MS * 2 ** this.#retries);
    if (this.#retries === 0) {
      const { name: store } = this.#store;
      this.#home.logger.warn("changes of other processes are not heard yet", { store, error });
    }
    this.#retries = Math.min(this.#retries + 1, 10);
    this.#home.wheel.schedule(delayMs, () => this.#watch());
  }

  #missed(): void {
    if (this.#stopped) return;
    for (const scope of this.#home.held(this.#store)) scope.heard(Infinity);
  }

  #changed(key: string, version: number): void {
    if (this.#stopped) return;
    const scope = this.#home.find(key);
    if (scope !== undefined) scope.heard(version);
    else if (this.#home.listening) this.#announce(key, version);
  }

  /** Reads and announces a record; reports of it that come meanwhile are one further read. */
  #announce(key: string, version: number): void {
    const reading = this.#unheld.get(key);
    if (reading !== undefined) {
      reading.version = Math.max(reading.version, version);
      return;
    }
    if (this.#unheld.size >= UNHELD_MAX) {
      this.#home.logger.warn("too many changes of other processes at once: one is not announced");
      return;
    }
    const wanted = { version };
    this.#unheld.set(key, wanted);
    const read = (): Promise<void> => {
      const { version: before } = wanted;
      return this.#home.announceUnheld(key).then((reached) => {
        if (wanted.version > Math.max(before, reached) && !this.#stopped) return read();
        this.#unheld.delete(key);
        return undefined;
      });
    };
    read().catch((error: unknown) => {
      this.#unheld.delete(key);
      if (!this.#stopped)
        this.#home.logger.error("a change of another process could not be read", { key, error });
    });
  }
}
