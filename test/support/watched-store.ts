/** Store objects on shared data that report their commits to each other, until the line is cut. */
import type { ExclusiveLease } from "../../actors/protocol.ts";
import type {
  ScopeWrite,
  StateStore,
  StoredRecord,
  WriteResult,
} from "../../src/stores/contract.ts";
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
  /** Who has the exclusive turn of a key: as on a server, no other owner commits it meanwhile. */
  const turns = new Map<string, object>();
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
          const isFree = ({ key }: ScopeWrite): boolean => (turns.get(key) ?? store) === store;
          const results = writes.every(isFree)
            ? await shared.commit(writes, options)
            : (await shared.load(writes.map(({ key }) => key))).map(refusedWith);
          setImmediate(() => report(store, writes, results));
          return results;
        },
        exclusive: (key, ttlMs, turn, wait) => {
          const held = async (
            lease?: ExclusiveLease,
          ): Promise<Awaited<ReturnType<typeof turn>>> => {
            turns.set(key, store);
            try {
              return await turn(lease);
            } finally {
              turns.delete(key);
            }
          };
          return shared.exclusive?.(key, ttlMs, held, wait) ?? held();
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

function refusedWith(current: StoredRecord | undefined): WriteResult {
  return { ok: false, current };
}
