/**
 * `GlobalState`: one record for the whole bot.
 */
import { botHome, type BotStateOptions } from "./options.ts";
import { StateRecord, type BotRecord, type BotUpdate } from "./record.ts";

/** The global state as a handler sees it. */
export interface GlobalStateView {
  readonly getMyState: () => BotRecord;
  readonly get: (path?: string) => unknown;
  readonly getAllState: () => IterableIterator<BotRecord>;
  readonly update: (change: BotUpdate) => Promise<void>;
  readonly clear: () => void;
}

/** One record for everybody; `{}` at the start and after `clear`. */
export class GlobalState {
  /** The object of initial values, as it was given. */
  readonly RAW: BotRecord;
  readonly #record: StateRecord;
  readonly #started: Promise<void>;

  /** `initial` is written when nothing is stored yet. */
  constructor(initial: BotRecord = {}, options: BotStateOptions = {}) {
    const { runtime, logger } = botHome(options);
    const opening = runtime.open<BotRecord>("builderbot.global", "global");
    this.RAW = initial;
    this.#record = new StateRecord(opening, logger, runtime);
    this.#started = this.#record.start(initial, (scope) => scope.version === 0);
  }

  /**
   * Resolves when the stored record is in memory; rejects when the initial values cannot be stored.
   */
  ready(): Promise<void> {
    return this.#started;
  }

  /** `updateState()(fields)` */
  updateState(): (change: BotUpdate) => Promise<void> {
    return (change) => this.#record.update(change);
  }

  /** `getMyState()()` */
  getMyState(): () => BotRecord {
    return () => this.#record.read() ?? {};
  }

  /** `get()(path)` */
  get(): (path?: string) => unknown {
    return (path) => (path === undefined ? this.getMyState()() : this.#record.get(path));
  }

  /** The one record. */
  *getAllState(): Generator<BotRecord> {
    yield this.getMyState()();
  }

  /** `clear()()`: back to `{}`; the initial values do not come back. */
  clear(): () => void {
    return () => void this.#record.clear();
  }

  /** The methods a handler gets. */
  view(): GlobalStateView {
    return {
      getMyState: this.getMyState(),
      get: this.get(),
      getAllState: () => this.getAllState(),
      update: this.updateState(),
      clear: this.clear(),
    };
  }
}
