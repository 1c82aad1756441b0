/** Store objects on shared data that report their commits to each other, until the line is cut. */
import type { ScopeWrite, StateStore, WriteResult } from "../../src/stores/store.ts";
import { sharingStore } from "../suites/runtime-world.ts";

interface Watcher {
  readonly owner: object;
  changed(key: string, version: number): void;
  missed(): void;
}

/** The line between store objects on the same data. */
export interface WatchedStores {
  /** One more store object. */
  open(): StateStore;
  /** From now on reports are lost. */
  cut(): void;
  /** Reports arrive again, and everybody is told that some may have been lost. */
  mend(): void;
  /** While set, `watch` rejects with it. */
  refusal: Error | null;
}

/** Makes the line on the data of `inner`. */
export function watchedStores(inner: StateStore): WatchedStores {
  const watchers = new Set<Watcher>();
  let isCut = false;
  const report = (
    owner: object,
    writes: readonly ScopeWrite[],
    results: readonly WriteResult[],
  ): void => {
    for (const [at, { key }] of writes.entries()) {
      const result = results[at];
      if (result?.ok !== true || isCut) continue;
      for (const watcher of watchers)
        if (watcher.owner !== owner) watcher.changed(key, result.version);
    }
  };
  const line: WatchedStores = {
    refusal: null,
    open() {
      const shared = sharingStore(inner);
      const store: StateStore = {
        ...shared,
        supports: { ...shared.supports, watch: true },
        async commit(writes, options) {
          const results = await shared.commit(writes, options);
          setImmediate(() => report(store, writes, results));
          return results;
        },
        async watch(changed, missed = () => undefined) {
          if (line.refusal !== null) throw line.refusal;
          const watcher = { owner: store, changed, missed };
          watchers.add(watcher);
          return () => Promise.resolve(void watchers.delete(watcher));
        },
      };
      return store;
    },
    cut() {
      isCut = true;
    },
    mend() {
      isCut = false;
      for (const watcher of watchers) watcher.missed();
    },
  };
  return line;
}
