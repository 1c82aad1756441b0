/** The watchers of one store object, which are notified of the commits of other owners. */
import type { Logger } from "../../../actors/protocol.ts";
import { isError } from "../../../actors/realm.ts";
import { safeCall } from "../../../actors/scope/safe-call.ts";

/** The callbacks of a watcher. */
export interface Watcher {
  readonly changed: (key: string, version: number) => void;
  readonly missed: (() => void) | undefined;
}

/** What the watchers of a store need. */
export interface WatchersSettings {
  /** For messages. */
  readonly store: string;
  readonly logger: Logger;
  /** Called when the last watcher is removed, and by `close`. */
  readonly end: () => void;
}

/** Reports to each watcher; what one throws is logged and reaches no other code. */
export class Watchers {
  readonly #settings: WatchersSettings;
  readonly #all = new Set<Watcher>();

  constructor(settings: WatchersSettings) {
    this.#settings = settings;
  }

  /** Adds `watcher`; resolves as `begun` does, to a function that removes it. */
  async add(watcher: Watcher, begun: () => Promise<void>): Promise<() => Promise<void>> {
    const remove = async (): Promise<void> => {
      if (this.#all.delete(watcher) && this.#all.size === 0) this.#settings.end();
    };
    this.#all.add(watcher);
    try {
      await begun();
    } catch (error) {
      await remove();
      throw error;
    }
    return remove;
  }

  /** Removes all: none is notified after it. */
  close(): void {
    this.#all.clear();
    this.#settings.end();
  }

  /** Reports a version of a key. */
  changed(key: string, version: number): void {
    this.#notify(({ changed }) => changed(key, version));
  }

  /** Reports that some versions may be missing. */
  missed(): void {
    this.#notify(({ missed }) => missed?.());
  }

  #notify(call: (watcher: Watcher) => unknown): void {
    const { store, logger } = this.#settings;
    for (const watcher of this.#all)
      safeCall(
        () => call(watcher),
        (error) => {
          const name = isError(error) ? error.name : typeof error;
          logger.error(`a watcher of the ${store} store threw`, { error: name });
        },
      );
  }
}
