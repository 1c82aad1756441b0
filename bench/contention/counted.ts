/** A store that counts what it is asked for. */
import type { StateStore } from "../../src/stores/contract.ts";

/** How many calls a store was asked for. */
export interface Counted {
  readonly store: StateStore;
  commits: number;
  loads: number;
}

/** Counts the calls of `store`, from 0; it reports no changes of others. */
export function counting(store: StateStore): Counted {
  const exclusive = store.exclusive?.bind(store);
  const counted: Counted = {
    commits: 0,
    loads: 0,
    store: {
      name: store.name,
      supports: store.supports,
      load: (keys) => {
        counted.loads += 1;
        return store.load(keys);
      },
      commit: (writes, options) => {
        counted.commits += 1;
        return store.commit(writes, options);
      },
      list: (query) => store.list(query),
      ...(exclusive === undefined ? {} : { exclusive }),
      close: () => store.close(),
    },
  };
  return counted;
}
