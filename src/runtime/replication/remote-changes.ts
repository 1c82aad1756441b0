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
 *  N1  A scope in memory, or on its way there, that is older than a report reads the store before
 *      its next mutation.
 *  N2  Whatever was in memory while nothing was watched, or when reports may have been lost, reads
 *      the store as if it had been reported.
 *  N3  Watching fails no call and holds none up for longer than `FIRST_WAIT_MS`: without it
 *      everything is as with a store that cannot be watched.
 */
import type { Logger } from "../../../actors/protocol.ts";
import type { TimerWheel } from "../../../actors/time/timer-wheel.ts";
import type { StateStore } from "../../stores/contract.ts";
import { type FoundScope, UnloadedChanges, type UnloadedChangesPort } from "./unloaded-changes.ts";

/** The first scope waits so long for the watching to begin; without it, it would read twice. */
const FIRST_WAIT_MS = 250;
const FIRST_RETRY_MS = 1_000;
const RETRY_MAX_MS = 30_000;
/** More doublings than it takes to reach the longest wait. */
const DOUBLINGS_MAX = 10;

/** A scope in memory. */
export interface LoadedScope extends FoundScope {
  /** Another owner committed `version`; `Infinity`: commits may have gone unheard. */
  observed(version: number): void;
}

/** What a feed asks of the runtime it works for. */
export interface RemoteChangesPort extends UnloadedChangesPort {
  readonly wheel: TimerWheel;
  readonly logger: Logger;
  /** The scope of a key, if it is in memory. */
  find(key: string): LoadedScope | undefined;
  /** All scopes of the store in memory. */
  held(store: StateStore): Iterable<LoadedScope>;
  /** Somebody listens to the whole runtime. */
  readonly listening: boolean;
}

/** True for a store that reports what others commit. */
export function isWatchable(store: StateStore): boolean {
  return store.supports.watch && store.watch !== undefined;
}

/** The reports of one store; see the head of this file. */
export class RemoteChanges {
  readonly #store: StateStore;
  readonly #home: RemoteChangesPort;
  readonly #unheld: UnloadedChanges;
  /** Records on their way into memory, with the newest version heard of each. */
  readonly #arriving = new Map<string, number>();
  #beginning: Promise<void> | null = null;
  #begun = false;
  #goOn: (() => void) | null = null;
  #retries = 0;
  #stop: (() => Promise<void>) | null = null;
  #stopped = false;

  constructor(store: StateStore, home: RemoteChangesPort) {
    this.#store = store;
    this.#home = home;
    this.#unheld = new UnloadedChanges(home);
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

  /** Loads a scope, and lets it hear what is reported while it is on its way. */
  async arrive<S extends LoadedScope>(key: string, load: () => Promise<S>): Promise<S> {
    this.#arriving.set(key, 0);
    try {
      const scope = await load();
      this.#unheld.arrived(key, scope);
      const observed = this.#arriving.get(key) ?? 0;
      if (observed > 0) scope.observed(observed);
      return scope;
    } finally {
      this.#arriving.delete(key);
    }
  }

  /** Listeners were told of a version by the scope itself. */
  published(key: string, version: number): void {
    this.#unheld.published(key, version);
  }

  /** Stops watching; reports that come later go nowhere, and nobody waits for the beginning. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#unheld.stop();
    this.#goOn?.();
    // A store that cannot stop it ends it when it is closed.
    await this.#stop?.().catch(() => undefined);
  }

  #beginInTime(): Promise<void> {
    return new Promise((resolve) => {
      this.#goOn = resolve;
      const inTime = this.#home.wheel.schedule(FIRST_WAIT_MS, resolve);
      void this.#watch().then(() => {
        this.#home.wheel.cancel(inTime);
        resolve();
      });
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
    // The first failure has been told to whoever opened the scope for which it was begun.
    if (this.#retries === 1) {
      const { name: store } = this.#store;
      this.#home.logger.warn("changes of other processes are not heard yet", { store, error });
    }
    this.#retries = Math.min(this.#retries + 1, DOUBLINGS_MAX);
    this.#home.wheel.schedule(delayMs, () => this.#watch());
  }

  #missed(): void {
    if (this.#stopped) return;
    for (const key of this.#arriving.keys()) this.#arriving.set(key, Infinity);
    for (const scope of this.#home.held(this.#store)) scope.observed(Infinity);
  }

  #changed(key: string, version: number): void {
    if (this.#stopped) return;
    const scope = this.#home.find(key);
    if (scope !== undefined) return scope.observed(version);
    const observed = this.#arriving.get(key);
    if (observed !== undefined) this.#arriving.set(key, Math.max(observed, version));
    if (this.#home.listening) this.#unheld.report(key, version);
  }
}
