/**
 * Delivers commits of other owners of a store to a runtime: scopes in memory adopt them, and
 * listeners of the whole runtime receive them, too.
 *
 * A store reports only which record has which version (`watch`). The version is the cursor: a scope
 * with an older version reads the record. So a report may come twice, late or not at all, if
 * the store says when reports may have been lost.
 *
 *     idle ──first scope or listener──▶ beginning ──watching──▶ live
 *                                         ▲   │ could not begin
 *                                         └───┘ after 1 s, then 2, 4 … 30
 *
 * Invariants
 *  N1  A scope in memory, or being loaded, that is older than a report reads the store before its
 *      next mutation.
 *  N2  A scope that was in memory while the store was not watched, or when reports may have been
 *      lost, reads the store as if it had been reported.
 *  N3  Watching fails no call and delays none for longer than `FIRST_WAIT_MS`: without it the
 *      runtime works as with a store that cannot be watched.
 */
import type { StateStore } from "../../stores/contract.ts";
import type { ResolvedKind } from "../kinds.ts";
import { type FoundScope, UnloadedChanges, type UnloadedChangesPort } from "./unloaded-changes.ts";

/** How long the first scope waits for the watch; without the wait it would read twice. */
const FIRST_WAIT_MS = 250;
const FIRST_RETRY_MS = 1_000;
const RETRY_MAX_MS = 30_000;
/** Enough doublings to reach the longest wait. */
const DOUBLINGS_MAX = 10;

/** A scope in memory. */
export interface LoadedScope extends FoundScope {
  /** Another owner committed `version`; `Infinity`: reports may have been lost. */
  observed(version: number): void;
}

/** What `RemoteChanges` uses of its runtime. */
export interface RemoteChangesPort extends UnloadedChangesPort {
  /** The scopes in memory. */
  readonly system: {
    find(key: string): LoadedScope | undefined;
    readonly living: readonly (LoadedScope & { readonly kind: ResolvedKind })[];
  };
  /** Called with a key that another owner committed; `null`: reports may have been lost. */
  readonly reports: ReadonlySet<(key: string | null) => void>;
}

/** True for a store that reports commits of other owners. */
export function isWatchable(store: StateStore): boolean {
  return store.supports.watch && store.watch !== undefined;
}

/** The reports of one store; see the head of this file. */
export class RemoteChanges {
  readonly #store: StateStore;
  readonly #home: RemoteChangesPort;
  readonly #unheld: UnloadedChanges;
  /** Records being loaded, with the newest reported version of each. */
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

  /** True when no call has to wait for `begin` any more. */
  get begun(): boolean {
    return this.#begun;
  }

  /** Begins the watch, once; resolves when it began, failed, or took `FIRST_WAIT_MS`. */
  begin(): Promise<void> {
    this.#beginning ??= this.#beginInTime().then(() => {
      this.#begun = true;
    });
    return this.#beginning;
  }

  /** Loads a scope, and passes it the reports that come meanwhile. */
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

  /** The scope itself has announced a version to listeners. */
  published(key: string, version: number): void {
    this.#unheld.published(key, version);
  }

  /** Stops the watch; later reports are ignored, and waiting `begin` calls resolve. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#unheld.stop();
    this.#goOn?.();
    // If this fails, the close of the store ends the watch.
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
      this.#missed(); // For scopes loaded before the watch began.
    } catch (error) {
      this.#retry(error);
    }
  }

  #retry(error: unknown): void {
    if (this.#stopped) return;
    const delayMs = Math.min(RETRY_MAX_MS, FIRST_RETRY_MS * 2 ** this.#retries);
    // Logged once: the first scope is opened without a watch.
    if (this.#retries === 1) {
      const { name: store } = this.#store;
      this.#home.logger.warn("changes of other processes are not watched yet", { store, error });
    }
    this.#retries = Math.min(this.#retries + 1, DOUBLINGS_MAX);
    this.#home.wheel.schedule(delayMs, () => this.#watch());
  }

  #missed(): void {
    if (this.#stopped) return;
    this.#report(null);
    for (const key of this.#arriving.keys()) this.#arriving.set(key, Infinity);
    for (const scope of this.#home.system.living)
      if (scope.kind.store === this.#store) scope.observed(Infinity);
  }

  #report(key: string | null): void {
    for (const callback of this.#home.reports) callback(key);
  }

  #changed(key: string, version: number): void {
    if (this.#stopped) return;
    this.#report(key);
    const scope = this.#home.system.find(key);
    if (scope !== undefined) return scope.observed(version);
    const observed = this.#arriving.get(key);
    if (observed !== undefined) this.#arriving.set(key, Math.max(observed, version));
    if (this.#home.listeners.size > 0) this.#unheld.report(key, version);
  }
}
