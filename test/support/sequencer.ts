/** Shared by the tests of sequencers: hand-opened promises, quiet runtimes, replaceable stores. */
import {
  createRuntime,
  type Runtime,
  type RuntimeOptions,
  type StateStore,
} from "../../src/index.ts";

/** A promise opened by hand. */
export function gate<T = void>(): { promise: Promise<T>; open: (value: T) => void } {
  let open: (value: T) => void = () => undefined;
  const promise = new Promise<T>((resolve) => {
    open = resolve;
  });
  return { promise, open };
}

const quiet = { warn: () => undefined, error: () => undefined };

/** A runtime on a store that says nothing of the failures a test makes. */
export function runtimeOn(store: StateStore, options: RuntimeOptions = {}): Runtime {
  return createRuntime({ store, logger: quiet, ...options });
}

/** A store's members as plain functions, so that one can be replaced. */
export function memoryView(store: StateStore): StateStore {
  return {
    name: store.name,
    supports: store.supports,
    load: (keys) => store.load(keys),
    commit: (writes, options) => store.commit(writes, options),
    list: (query) => store.list(query),
    close: () => store.close(),
  };
}
